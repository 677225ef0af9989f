/**
 * The name under which two of ours agree to send requests side by side (decision 0015): HTTP/2 framing, while requests
 * stay what they were, so that an HTTP/1.1 application gets HTTP/1.1. Not a protocol that anybody else speaks.
 */
export const multiplexedAlpn = 'sallyport/1'

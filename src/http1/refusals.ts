/**
 * Every reason for which the codec refuses bytes, prebuilt. It holds no value from the wire, so a refusal may be sent
 * and logged as it is.
 */
import type { CodecRefusal, Http1Limits } from './message.ts'

function refusal(reason: string, status = 400, limit: keyof Http1Limits | null = null): CodecRefusal {
  return Object.freeze({ status, reason, limit })
}

export const refusals = {
  // Limits.
  headTooLong: refusal('head_too_long', 431, 'maxHeadBytes'),
  requestLineTooLong: refusal('request_line_too_long', 414, 'maxHeadBytes'),
  tooManyHeaders: refusal('too_many_headers', 431, 'maxHeaders'),
  tooManyTrailers: refusal('too_many_trailers', 431, 'maxHeaders'),
  trailersTooLong: refusal('trailers_too_long', 431, 'maxTrailerBytes'),
  chunkExtensionsTooLong: refusal('chunk_extensions_too_long', 413, 'maxChunkExtensionBytes'),
  // Start line.
  badMethod: refusal('bad_method'),
  badTarget: refusal('bad_target'),
  fragmentInTarget: refusal('fragment_in_target'),
  badTargetForm: refusal('target_form_not_for_method'),
  badAuthority: refusal('bad_authority_in_target'),
  badVersion: refusal('bad_version'),
  unsupportedVersion: refusal('unsupported_version', 505),
  http2Preface: refusal('http2_preface'),
  badStatusLine: refusal('bad_status_line'),
  // Field lines.
  bareCr: refusal('bare_cr_in_head'),
  bareLf: refusal('bare_lf_in_head'),
  obsFold: refusal('obs_fold'),
  badName: refusal('bad_header_name'),
  emptyName: refusal('empty_header_name'),
  blankBeforeColon: refusal('blank_before_colon'),
  missingColon: refusal('missing_colon'),
  badValue: refusal('control_byte_in_header_value'),
  // Host, framing, semantics.
  missingHost: refusal('missing_host'),
  repeatedHost: refusal('repeated_host'),
  badHost: refusal('bad_host'),
  badContentLength: refusal('bad_content_length'),
  repeatedContentLength: refusal('conflicting_content_length'),
  repeatedTransferEncoding: refusal('repeated_transfer_encoding'),
  badTransferEncoding: refusal('bad_transfer_encoding'),
  unsupportedTransferCoding: refusal('unsupported_transfer_coding', 501),
  transferEncodingInHttp10: refusal('transfer_encoding_in_http_1_0'),
  lengthAndTransferEncoding: refusal('content_length_with_transfer_encoding'),
  connectWithBody: refusal('connect_with_body'),
  bodilessWithFraming: refusal('framing_header_on_bodiless_response'),
  nominatedFraming: refusal('connection_nominates_framing'),
  unmetExpectation: refusal('unsupported_expectation', 417),
  unsolicitedResponse: refusal('unsolicited_response'),
  // Body.
  badChunkSize: refusal('bad_chunk_size'),
  badChunkExtension: refusal('bad_chunk_extension'),
  badChunkEnd: refusal('bad_chunk_end'),
  forbiddenTrailer: refusal('forbidden_trailer'),
  // The peer left in the middle.
  truncatedHead: refusal('truncated_head'),
  truncatedBody: refusal('truncated_body'),
} as const satisfies Record<string, CodecRefusal>

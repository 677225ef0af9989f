/**
 * Why a gRPC call ended, in the library's words without the labels it leaves when it has nothing to put behind them. It
 * does not judge the reason.
 */
export function callReason(message: string): string {
  return message.replace(/ Resolution note: $/, '').replace(/Last error: Error: /, '')
}

/** The kilobyte that the application answers with and that every response is compared to. Text, so that logs can show it. */
export const responseBody = 'sallyport '.repeat(103).slice(0, 1024)

/** Where no more is known. */
export const NO_ANSWER = "TensorBoard does not answer.";

/** What went wrong with a request: nobody answered, or the answer was a refusal. */
export class ServerError extends Error {
  override name = "ServerError";
  constructor(
    readonly kind: "gone" | "refused",
    message: string,
  ) {
    super(message);
  }
}

const LONGEST_REASON = 300;

export async function fetchChecked(url: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError("gone", NO_ANSWER);
  }
  if (response.ok) return response;
  const text = (await response.text()).slice(0, LONGEST_REASON);
  // An HTML page is some proxy's or the server's own error page, not a sentence of ours.
  const told = response.headers.get("content-type")?.startsWith("text/plain") ? text : "";
  throw new ServerError("refused", told || `The server answered ${response.status}.`);
}

/** What went wrong with a call, in words for people: `detail` says what to do. */
export class ApiProblem extends Error {
  readonly status: number;
  /** For programs, such as `not_found`; `unreachable` if there was no answer at all. */
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly fields: { field: string; message: string }[];
  /** The number of the request in the audit trail and the log. */
  readonly requestId: string | null;
  readonly retryAfterS: number | null;

  constructor(given: {
    status: number;
    code: string;
    title: string;
    detail: string;
    fields?: { field: string; message: string }[];
    requestId?: string | null;
    retryAfterS?: number | null;
  }) {
    super(given.detail);
    this.name = "ApiProblem";
    this.status = given.status;
    this.code = given.code;
    this.title = given.title;
    this.detail = given.detail;
    this.fields = given.fields ?? [];
    this.requestId = given.requestId ?? null;
    this.retryAfterS = given.retryAfterS ?? null;
  }
}

const BY_STATUS: Record<number, string> = {
  413: "This is larger than the server or a proxy in front of it accepts. Send less at once, or ask an administrator to raise the limit.",
  429: "There were too many requests. Wait a little, then try again.",
  502: "A proxy in front of Fr gets no answer from it. Check that `make web` is running, then try again.",
  503: "Fr is not ready. Wait a few seconds, then try again.",
  504: "A proxy in front of Fr waited too long for it. Try again.",
};

interface Details {
  title?: unknown;
  detail?: unknown;
  code?: unknown;
  errors?: unknown;
}

function isField(value: unknown): value is { field: string; message: string } {
  const one = value as { field?: unknown; message?: unknown } | null;
  return typeof one?.field === "string" && typeof one.message === "string";
}

/** The problem of an answer, whoever gave it: Fr, or a proxy that knows no problem details. */
export function problemOf(response: Response, body: unknown): ApiProblem {
  const details = (typeof body === "object" && body !== null ? body : {}) as Details;
  const retry = Number(response.headers.get("Retry-After"));
  const ours = typeof details.detail === "string" && typeof details.code === "string";
  return new ApiProblem({
    status: response.status,
    code: ours ? String(details.code) : `status_${response.status}`,
    title: typeof details.title === "string" ? details.title : "The request failed",
    detail: ours
      ? String(details.detail)
      : (BY_STATUS[response.status] ??
        `The answer has status ${response.status}. Try again; if it keeps failing, tell an administrator.`),
    fields: Array.isArray(details.errors) ? details.errors.filter(isField) : [],
    requestId: response.headers.get("X-Request-Id"),
    retryAfterS: Number.isFinite(retry) && retry > 0 ? retry : null,
  });
}

/** The problem of a call that got no answer. */
export function unreachable(): ApiProblem {
  return new ApiProblem({
    status: 0,
    code: "unreachable",
    title: "No connection",
    detail:
      "Fr does not answer. Check your network, and that `make web` is running. The page keeps trying while it is open.",
  });
}

/** Any error as a problem. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof TypeError) return unreachable();
  return new ApiProblem({
    status: 0,
    code: "unexpected",
    title: "An unexpected error occurred on this page",
    detail: "Reload the page. If it happens again, tell an administrator what you did.",
  });
}

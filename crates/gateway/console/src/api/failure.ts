// What can go wrong with a call: the API refused, or nobody answered.

/** The API's own answer, `{code, message}`. Its messages begin with the field that they are about, where there is one. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "Refusal";
  }

  /** The field that the message names, such as `machineType`, or null. */
  get field(): string | null {
    return /^([a-z][A-Za-z]*): /.exec(this.message)?.[1] ?? null;
  }

  /** The message without the name of its field. */
  get problem(): string {
    return this.field === null ? this.message : this.message.slice(this.field.length + 2);
  }

  /** The key is not, or no longer, taken. */
  get isAboutTheKey(): boolean {
    return this.status === 401;
  }
}

/** Nobody answered, or something that is not the API. */
export class Unreached extends Error {
  constructor() {
    super("Quire was not reached");
    this.name = "Unreached";
  }
}

/** Reads a failed answer: what is not of the API's shape did not come from the API. */
export function refusal(status: number, body: unknown): Refusal | Unreached {
  if (typeof body === "object" && body !== null && "code" in body && "message" in body) {
    return new Refusal(status, String(body.code), String(body.message));
  }
  return new Unreached();
}

/** What to tell a person. */
export function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Faults in the definition of an object: said one way to callers of the API, another to authors of files. */
import { ConfigError } from "../errors.ts";

/** The kinds in the words of the API's messages. */
export type KindWord = "listener" | "cluster" | "endpoint" | "RuleList" | "rule" | "route" | "admin";

/** An object cannot be added: `Cannot add cluster: Property spec is required`. */
export class ObjectError extends ConfigError {
  /** Path of what is wrong, inside of what was given. */
  readonly at: string;
  readonly reason: string;

  constructor(kind: KindWord, at: string, reason: string, options: { cause?: unknown } = {}) {
    super(`Cannot add ${kind}: ${reason}`, options);
    this.at = at;
    this.reason = reason;
  }

  /** The same fault with the path of what is wrong in front, for the author of a file. */
  get placed(): ConfigError {
    const where = this.at === "" || this.reason.startsWith(this.at) ? "" : `${this.at}: `;
    return new ConfigError(`${where}${this.reason}`, { cause: this });
  }
}

/** Runs `check`; what is wrong with a value becomes a fault of the object at `at`. */
export function within<T>(kind: KindWord, at: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ConfigError) || error instanceof ObjectError) throw error;
    throw new ObjectError(kind, at, error.message, { cause: error });
  }
}

/** What leads to a program's standard input and from its standard output. */
import type { Child } from "./_spawn.ts";

/** Rejections are the system's errors; a half that is not there has ended. At most one call of a kind is pending. */
export interface ProgramChannel {
  /** Lends the next output until the next call; `null` at its end. */
  read(): Promise<Uint8Array | null>;
  /** Nothing more will be read. */
  stopReading(): void;
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the program's input where that can be. */
  closeWrite(): Promise<void>;
  /** Gives both up; `clean`: what was written still goes out. */
  close(clean: boolean): void;
}

/** Two pipes, as far as the child has them. */
export class ProgramPipes implements ProgramChannel {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #closing: Promise<void> | undefined;

  constructor({ stdin, stdout }: Pick<Child, "stdin" | "stdout">) {
    this.#writer = stdin?.getWriter();
    this.#reader = stdout?.getReader();
    // Its faults are those of `write`.
    this.#writer?.closed.catch(() => {});
  }

  async read(): Promise<Uint8Array | null> {
    return (await this.#reader?.read())?.value ?? null;
  }

  stopReading(): void {
    this.#reader?.cancel().catch(() => {});
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer?.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#closing ??= this.#writer?.close() ?? Promise.resolve();
  }

  close(clean: boolean): void {
    const input = this.#closing ?? (clean ? this.#writer?.close() : this.#writer?.abort());
    input?.catch(() => {});
    this.stopReading();
  }
}

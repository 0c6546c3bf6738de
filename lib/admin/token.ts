/** The bearer token of the API, in a file. */
import { ConfigError, systemFault } from "../errors.ts";

/** The token in `path`: its content without white space around it. Rejects with `ConfigError`; it may not be empty. */
export async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = (await Deno.readTextFile(path)).trim();
  } catch (error) {
    throw new ConfigError(`cannot read token file "${path}": ${systemFault(error).text}`, { cause: error });
  }
  if (text === "" || /\s/.test(text)) {
    throw new ConfigError(`token file "${path}": one word was expected, and it is ${text === "" ? "empty" : "more"}`);
  }
  return text;
}

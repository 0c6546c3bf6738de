/** The program with nothing but addresses: the document they stand for, its plan, and what runs it. */
import type { Document } from "../config/document.ts";
import { documentFromWords } from "../config/pair.ts";
import type { Plan } from "../config/plan.ts";
import { planDocument } from "../config/planner.ts";
import { printDocument } from "../config/printer.ts";
import { ConfigError } from "../errors.ts";
import type { LoadPlugins, Registry } from "../protocol.ts";
import type { Arguments } from "./arguments.ts";
import type { Host } from "./host.ts";
import type { Outlets } from "./serve.ts";
import { unusedOptions } from "./unused_options.ts";

/** Runs, checks or prints them; resolves with the exit status. Throws `ConfigError`. */
export async function runAddresses(
  given: Arguments,
  load: LoadPlugins,
  host: Host,
  outlets: Outlets,
): Promise<number> {
  const { registry, document, plan } = await planned(given, load);
  for (const { level, message } of plan.warnings) outlets.log[level]("plan.warning", message);
  for (const name of unusedOptions(given, plan)) {
    outlets.log.warn("option.ignored", `option ${name} has no effect here`);
  }
  switch (given.mode) {
    case "check":
      await checkDrivers(plan, given, outlets);
      return 0;
    case "plan": {
      const { planFormat: format, showSecrets } = given;
      host.print(await printDocument(document, registry, { format, showSecrets }));
      return 0;
    }
  }
  return await (await import("./serve.ts")).serve(plan, given, outlets, registry.environment);
}

interface Planned {
  readonly registry: Registry;
  readonly document: Document;
  readonly plan: Plan;
}

async function planned(given: Arguments, load: LoadPlugins): Promise<Planned> {
  const planWith = async (registry: Registry) => {
    const document = await documentOf(given, registry);
    return { registry, document, plan: planDocument(document, registry) };
  };
  const addresses = addressesOf(given);
  // One alone has standard input and output on its other side.
  const some = await load(addresses.length === 1 ? [...addresses, "-"] : addresses);
  try {
    return await planWith(some);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // What is missing is among the rest, or what is wrong is told with all that may have been meant.
    return await planWith(await load());
  }
}

/** Throws a `ConfigError` for an option that the chosen driver does not have. */
async function checkDrivers({ listeners }: Plan, { driver: choice }: Arguments, { log }: Outlets): Promise<void> {
  const driver = await (await import("./choose_driver.ts")).chooseDriver(choice, log);
  const { checkDriver } = await import("../session/check_driver.ts");
  for (const { endpoint, target } of listeners) for (const one of [endpoint, target]) checkDriver(one, driver);
  await driver.close();
}

/** The document that the addresses of the command line stand for. Throws `ConfigError`. */
export async function documentOf(given: Arguments, registry: Registry): Promise<Document> {
  const addresses = addressesOf(given);
  const { tail, session, admin, ipVersion, listenIpVersion, compatSocat, via, http } = given;
  const { messageType } = http;
  const compat = compatSocat ? "socat" : undefined;
  // A run tells every endpoint of these, those of files too; a plan has to say them.
  const said = given.mode === "plan" ? { ...http, insecure: given.insecure } : {};
  const options = { ...said, session, admin, ipVersion, listenIpVersion, compat, via, messageType } as const;
  const document = documentFromWords({ addresses, tail }, registry, options);
  const { nul, strict } = given.lines;
  if (!nul && !strict) return document;
  const { withLineOptions } = await import("../config/line_options.ts");
  return withLineOptions(document, given.lines);
}

function addressesOf({ server, words }: Arguments): readonly string[] {
  return server === undefined ? words : [serverWord(server), ...words];
}

/** The WebSocket listener that `--server` stands for: for many callers, from this machine unless a host is named. */
function serverWord(text: string): string {
  const [place, ...options] = text.split(",");
  const port = /^:?(\d+(?:\/.*)?)$/.exec(place!)?.[1];
  return [`WS-LISTEN:${port === undefined ? place : `127.0.0.1:${port}`}`, "fork", ...options].join(",");
}

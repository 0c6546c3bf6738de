// The description of the API, and requests made up from it.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import type { ConfigDocument } from "../config/document.ts";
import { controllerConfig, type Reply, started } from "./_fake_control.ts";
import { type MadeUp, requests } from "./_request_arbitrary.ts";
import { makeValidator, type Validate } from "./validate.ts";

// deno-lint-ignore no-explicit-any
type Document = any;

async function description(): Promise<Document> {
  return (await (await started()).ask("GET", "/openapi.json")).json;
}

Deno.test("GET /openapi.json is OpenAPI 3.1, names every operation once, and refers to nothing that is not there", async () => {
  const document = await description();
  assertEquals([document.openapi, document.info.title, document.servers], ["3.1.0", "l7mp", [{ url: "/api/v1" }]]);
  const ids: string[] = [];
  for (const [path, item] of Object.entries<Document>(document.paths)) {
    for (const { operationId, parameters, responses } of Object.values<Document>(item)) {
      ids.push(operationId);
      const position = parameters.find((parameter: Document) => parameter.name === "position");
      if (position) assertEquals(position.schema.type, operationId.startsWith("delete") ? undefined : "integer");
      const inPath = parameters.filter((parameter: Document) => parameter.in === "path");
      assertEquals(inPath.map((parameter: Document) => `{${parameter.name}}`), path.match(/\{\w+\}/g) ?? []);
      assert(responses["200"] && responses["400"]);
    }
  }
  assertEquals(new Set(ids).size, ids.length);
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g);
  for (const [, name] of references) assert(document.components.schemas[name!], name);
});

/** Those of section (e.3) of the specification, by the names that generated clients call them by. */
const original = [
  "getConf setConf getAdmin applyAdmin getListeners addListener getListener deleteListener getClusters addCluster",
  "getCluster deleteCluster getEndPoints addEndPoint getEndPoint deleteEndPoint getRuleLists addRuleList getRuleList",
  "deleteRuleList getRuleFromRuleList addRuleToRuleList deleteRuleFromRuleList getRules addRule getRule deleteRule",
  "getRoutes addRoute getRoute deleteRoute getSessions getSession deleteSession",
].join(" ").split(" ");

Deno.test("GET /openapi.json has all operations of the original, and updates of every kind", async () => {
  const { paths } = await description();
  const all = new Set(
    Object.values<Document>(paths).flatMap((item) =>
      Object.values<Document>(item).map(({ operationId }) => operationId)
    ),
  );
  for (const id of original) assert(all.has(id), id);
  for (const kind of ["Listener", "Cluster", "EndPoint", "RuleList", "Rule", "Route", "Admin"]) {
    assert(all.has(`replace${kind}`) && all.has(`patch${kind}`), kind);
  }
});

/** What the description says of an answer with this status holds. */
function fits(document: Document, validate: Validate, { method, path }: MadeUp, { status, json }: Reply): void {
  const template = Object.keys(document.paths).find((template) =>
    new RegExp(`^/api/v1${template.replace(/\{\w+\}/g, "[^/]+")}/?$`).test(path.split("?")[0]!)
  );
  const response = document.paths[template!][method.toLowerCase()].responses[status];
  assert(response, `${method} ${path}: ${status} is not described: ${JSON.stringify(json)}`);
  const { schema } = response.content["application/json"];
  assertEquals(validate(schema, json), [], `${method} ${path}: ${JSON.stringify(json)}`);
}

/** An object of every kind under a name that made up requests use. */
const config: ConfigDocument = {
  ...controllerConfig,
  clusters: [{
    name: "a",
    spec: { protocol: "TCP", port: 1 },
    endpoints: [{ name: "a", spec: { address: "127.0.0.1" } }],
  }],
  rulelists: [{ name: "a", rules: ["a", { name: "c/d", action: { apply: "b" } }] }],
  rules: [{ name: "a", action: { route: "a" } }],
  routes: [{ name: "a", destination: "a" }],
};

for (const strict of [false, true]) {
  Deno.test(`API, ${strict ? "strict" : "lenient"}: requests made up from its description never fail it, and it answers as described`, async () => {
    const document = await description();
    const validate = makeValidator(document);
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(requests(document), { minLength: 20, maxLength: 40 }), async (list) => {
        const { control, ask } = await started({ strict });
        await control.reload(config);
        control.addSession("a");
        for (const request of list) {
          const reply = await ask(request.method, request.path, { body: request.body });
          statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
          assert(reply.status < 500, `${request.method} ${request.path}: ${reply.text}`);
          fits(document, validate, request, reply);
        }
        // What the requests made of it can be shown, in full, and loaded again.
        for (const kind of ["listeners", "clusters", "rulelists", "rules", "routes"]) {
          assertEquals((await ask("GET", `${kind}?recursive=true`)).status, 200);
        }
        const { json } = await ask("GET", "config");
        const again = await ask("POST", "config", { body: { ...json, admin: {} } });
        assertEquals(again.status, 200, JSON.stringify({ again: again.json, json }));
        assertEquals((await ask("POST", "config", { body: config })).status, 200);
      }),
      { numRuns: 40 },
    );
    assert(statuses.get(200)! > 100 && statuses.get(400)! > 100, JSON.stringify([...statuses]));
    if (strict) assert(statuses.get(422)! > 50, JSON.stringify([...statuses]));
  });
}

/** Every operation of the API as a value: its path, what it takes and gives, and what it does. */
import { clusters, endPoints, listeners, routes, ruleLists, rules } from "./kinds.ts";
import { ofClusters, ofRuleLists } from "./member_operations.ts";
import { allObjects, oneObject } from "./object_operations.ts";
import type { Operation } from "./operation.ts";
import { ofHealth, ofProcess, ofSessions } from "./process_operations.ts";

/** All but the description of the API itself. */
export const operations: readonly Operation[] = [
  ...ofProcess,
  ...allObjects(listeners),
  ...oneObject(listeners),
  ...allObjects(clusters),
  ...oneObject(clusters),
  ...allObjects(ruleLists),
  ...oneObject(ruleLists),
  ...allObjects(rules),
  ...oneObject(rules),
  ...allObjects(routes),
  ...oneObject(routes),
  ...ofClusters,
  ...oneObject(endPoints),
  ...ofRuleLists,
  ...ofSessions,
  ...ofHealth,
];

/**
 * FindCoordinator: which broker coordinates a group or a transactional id.
 * Creates the topic that they live in when it is asked for first. Other kinds
 * of keys are refused with an error that clients don't retry.
 *
 * @module
 */
import { type ErrorName, ERRORS } from "../../../core/errors.ts";
import {
  FIND_COORDINATOR,
  type FindCoordinatorRequest,
  type FindCoordinatorResponse,
} from "../../wire/10_find_coordinator.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** First version that asks for several keys. */
const KEYS_VERSION = 4;
const GROUP_KEY = 0;
const TRANSACTION_KEY = 1;

type Coordinator = NonNullable<
  FindCoordinatorResponse["coordinators"]
>[number];

function refused(key: string, error: ErrorName, message: string): Coordinator {
  const errorCode = ERRORS[error];
  return {
    key,
    errorCode,
    errorMessage: message,
    nodeId: -1,
    host: "",
    port: -1,
  };
}

/** The handler of FindCoordinator. */
export function findCoordinatorHandler(
  { endpointOf, transactions }: Pick<Services, "endpointOf" | "transactions">,
  groups: Groups,
): HandlerEntry {
  async function find(
    key: string,
    keyType: number,
    { local }: RequestContext,
  ): Promise<Coordinator> {
    if (keyType !== GROUP_KEY && keyType !== TRANSACTION_KEY) {
      return refused(
        key,
        "INVALID_REQUEST",
        `Cannot coordinate "${key}": key type ${keyType} is not served`,
      );
    }
    if (keyType === TRANSACTION_KEY && key === "") {
      const why = "Cannot coordinate an empty transactional id";
      return refused(key, "INVALID_REQUEST", why);
    }
    const coordinators = keyType === GROUP_KEY ? groups : transactions;
    const nodeId = await coordinators.coordinatorOf(key);
    const endpoint = nodeId === undefined
      ? undefined
      : endpointOf(nodeId, local);
    if (nodeId === undefined || endpoint === undefined) {
      return refused(
        key,
        "COORDINATOR_NOT_AVAILABLE",
        "The coordinator is not available.",
      );
    }
    return { key, errorCode: 0, errorMessage: null, nodeId, ...endpoint };
  }

  async function handle(
    request: FindCoordinatorRequest,
    context: RequestContext,
  ): Promise<FindCoordinatorResponse> {
    const { key, keyType, coordinatorKeys } = request;
    if (context.apiVersion < KEYS_VERSION) {
      const { key: _key, ...answer } = await find(key, keyType, context);
      return answer;
    }
    return {
      coordinators: await Promise.all(
        coordinatorKeys.map((each) => find(each, keyType, context)),
      ),
    };
  }

  return handles(FIND_COORDINATOR, handle, (request, errorCode) => ({
    errorCode,
    nodeId: -1,
    host: "",
    port: -1,
    coordinators: request.coordinatorKeys
      .map((key) => ({ key, errorCode, nodeId: -1, host: "", port: -1 })),
  }));
}

/**
 * BrokerRegistration: hands a broker that came up to the controller, which
 * says in which epoch it is.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { invariant } from "../../../core/invariant.ts";
import {
  BROKER_REGISTRATION,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
} from "../../wire/62_broker_registration.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of BrokerRegistration. */
export function brokerRegistrationHandler(
  services: Pick<Services, "control" | "clusterId">,
): HandlerEntry {
  async function handle(
    { clusterId, isMigratingZkBroker, listeners, ...registration }:
      BrokerRegistrationRequest,
  ): Promise<BrokerRegistrationResponse> {
    if (clusterId !== services.clusterId) {
      return { errorCode: ERRORS.INCONSISTENT_CLUSTER_ID };
    }
    // There is no cluster with ZooKeeper that it could come from.
    if (isMigratingZkBroker) {
      return { errorCode: ERRORS.BROKER_ID_NOT_REGISTERED };
    }
    const reply = await services.control({
      type: "registerBroker",
      endPoints: listeners,
      ...registration,
    });
    invariant(reply.type === "registerBroker", "a reply answers its input");
    return { errorCode: 0, brokerEpoch: reply.brokerEpoch };
  }

  return handles(BROKER_REGISTRATION, handle);
}

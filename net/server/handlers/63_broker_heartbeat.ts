/**
 * BrokerHeartbeat: hands what a broker says of itself to the controller and
 * answers whether it may serve, or stop.
 *
 * @module
 */
import { invariant } from "../../../core/invariant.ts";
import {
  BROKER_HEARTBEAT,
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
} from "../../wire/63_broker_heartbeat.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of BrokerHeartbeat. */
export function brokerHeartbeatHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    request: BrokerHeartbeatRequest,
  ): Promise<BrokerHeartbeatResponse> {
    const reply = await services.control({
      type: "brokerHeartbeat",
      ...request,
    });
    invariant(reply.type === "brokerHeartbeat", "a reply answers its input");
    const { isCaughtUp, isFenced, shouldShutDown } = reply;
    return { errorCode: 0, isCaughtUp, isFenced, shouldShutDown };
  }

  return handles(BROKER_HEARTBEAT, handle);
}

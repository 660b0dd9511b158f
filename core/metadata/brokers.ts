/**
 * The decisions about brokers: coming, being heard of, falling silent, going.
 * Decides only. Fencing is a `BrokerRegistrationChange`; what a broker led or
 * was in sync with changes in the same decision.
 *
 *     –           registers             fenced, out of every ISR
 *     fenced      wants to serve and has its own registration  unfenced
 *     fenced      wants to stop         may stop
 *     unfenced    wants to be fenced, or is silent too long    fenced
 *     unfenced    wants to stop         leads: controlled; else: may stop
 *     controlled  leads nothing, and all have seen that        may stop
 *     any         all of its log directories have failed       fenced
 *
 * @module
 */
import { type Uuid, ZERO_UUID } from "../bytes/uuid.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import type { BrokerContact } from "./broker_contacts.ts";
import { allowsUncleanLeaders, usesElr } from "./cluster_settings.ts";
import type {
  BrokerHeartbeat,
  BrokerRegistration,
  ControllerDecision,
  ControllerState,
} from "./controller.ts";
import { directoryOf, usesCordoned, usesDirectories } from "./directories.ts";
import { isSupported } from "./features.ts";
import type { BrokerImage, MetadataImage } from "./image.ts";
import { partitionChange, without } from "./partition_change.ts";
import type { PartitionPlace } from "./partition_index.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { canLead } from "./replicas.ts";

/** A broker came up: fenced at first, its old incarnation leads nothing. */
export function registerBroker(
  registration: BrokerRegistration,
  state: ControllerState,
): ControllerDecision {
  const { image, nextOffset, nowMs } = state;
  const { brokerId, incarnationId } = registration;
  const before = image.broker(brokerId);
  const isSame = before?.incarnationId === incarnationId;
  if (before !== undefined && !isSame) checkNoSession(before, state);
  checkRegistration(registration, image);
  // Of a registration unknown here nothing says that it was the last one.
  const isClean = !usesElr(image) ||
    before?.epoch === registration.previousBrokerEpoch;
  const records: MetadataRecord[] = isSame
    ? []
    : [...withoutBroker(brokerId, { state, isClean })];
  // The same incarnation keeps its epoch; another gets the next write offset.
  const brokerEpoch = isSame ? before.epoch : nextOffset;
  records.push(metadataRecord("RegisterBroker", {
    brokerId,
    incarnationId,
    brokerEpoch,
    endPoints: registration.endPoints,
    features: registration.features,
    rack: registration.rack,
    fenced: isSame ? before.isFenced : true,
    inControlledShutdown: isSame && before.isInControlledShutdown,
    logDirs: registration.logDirs,
    // The same incarnation has cordoned what it had; it says so anew, or not.
    cordonedLogDirs: isSame && before.cordonedLogDirs.length > 0
      ? before.cordonedLogDirs
      : null,
  }));
  return {
    records,
    contact: {
      brokerId,
      brokerEpoch,
      atMs: nowMs,
      metadataOffset: -1,
      caughtUpOffset: nextOffset + records.length - 1,
      shutdownOffset: -1,
    },
    reply: { type: "registerBroker", brokerEpoch },
  };
}

/** Two processes of one id must not take turns; one that leaves is no other. */
function checkNoSession(
  { id, epoch, isInControlledShutdown }: BrokerImage,
  { contacts, config, nowMs }: ControllerState,
): void {
  const contact = contacts.of({ id, epoch });
  const timeoutMs = config["broker.session.timeout.ms"];
  const hasSession = contact !== undefined &&
    nowMs - contact.atMs <= timeoutMs;
  if (!hasSession || isInControlledShutdown) return;
  throw new KafkaError(
    "DUPLICATE_BROKER_REGISTRATION",
    `Cannot register broker ${id}: another one with this id was heard of within the last ${timeoutMs} ms`,
  );
}

function checkRegistration(
  { brokerId, features, logDirs }: BrokerRegistration,
  image: MetadataImage,
): void {
  const refuse = (error: ErrorName, why: string) => {
    throw new KafkaError(error, `Cannot register broker ${brokerId}: ${why}`);
  };
  const invalid = "INVALID_REGISTRATION";
  if (usesDirectories(image)) {
    if (logDirs.length === 0) refuse(invalid, "it names no log directory");
    if (logDirs.includes(ZERO_UUID)) {
      refuse(invalid, `directory ${ZERO_UUID} is no id`);
    }
    if (new Set(logDirs).size < logDirs.length) {
      refuse(invalid, "it names a log directory twice");
    }
  }
  if (!features.some(({ name }) => name === "metadata.version")) {
    refuse(invalid, "it doesn't say which metadata.version it supports");
  }
  for (const feature of features) {
    const { name, minSupportedVersion: min, maxSupportedVersion: max } =
      feature;
    const level = image.features.get(name);
    if (level === undefined || level >= min && level <= max) continue;
    // A newer Kafka's folder has levels that nobody here knows, and is read.
    if (!isSupported(name, level)) continue;
    const why = `${name} is ${level}, but it supports ${min} to ${max}`;
    refuse("UNSUPPORTED_VERSION", why);
  }
}

type ControlState = "fenced" | "unfenced" | "controlled" | "mayStop";

/** A broker says that it lives, how far it is, and what it wants. */
export function brokerHeartbeat(
  heartbeat: BrokerHeartbeat,
  state: ControllerState,
): ControllerDecision {
  const { image, contacts, nextOffset, nowMs } = state;
  const { brokerId, brokerEpoch, currentMetadataOffset } = heartbeat;
  const broker = requireBroker(image, brokerId, brokerEpoch);
  const before = contacts.of(broker);
  // Of what came before we were active all is known at the log's end.
  const caughtUpOffset = before?.caughtUpOffset ?? nextOffset - 1;
  const contact: BrokerContact = {
    brokerId,
    brokerEpoch,
    atMs: nowMs,
    metadataOffset: currentMetadataOffset,
    caughtUpOffset,
    shutdownOffset: before?.shutdownOffset ?? -1,
  };
  const failed = failedDirectories(broker, { heartbeat, image });
  const next = nextState(broker, { heartbeat, contact, state, failed });
  const records = [
    ...directoriesFailed(broker, { failed, state }),
    ...directoriesCordoned(broker, { heartbeat, image }),
    ...transition(broker, next, state),
  ];
  const isLeaving = next === "controlled" &&
    (contact.shutdownOffset === -1 || leads(image, brokerId));
  return {
    records,
    contact: {
      ...contact,
      // Whoever was let go may come back, as another process, at once.
      atMs: next === "mayStop" ? -Infinity : nowMs,
      shutdownOffset: isLeaving
        ? nextOffset + records.length - 1
        : contact.shutdownOffset,
    },
    reply: {
      type: "brokerHeartbeat",
      isCaughtUp: currentMetadataOffset >= caughtUpOffset,
      isFenced: next === "fenced" || next === "mayStop",
      shouldShutDown: next === "mayStop",
    },
  };
}

function nextState(
  broker: BrokerImage,
  { heartbeat, contact, state, failed }: {
    readonly heartbeat: BrokerHeartbeat;
    readonly contact: BrokerContact;
    readonly state: ControllerState;
    /** Its directories that have just failed. */
    readonly failed: readonly Uuid[];
  },
): ControlState {
  const { wantFence, wantShutDown } = heartbeat;
  const isEmptied = failed.length > 0 &&
    failed.length === broker.logDirs.length;
  if (isEmptied) return wantShutDown ? "mayStop" : "fenced";
  // What else it wants is decided once it is known where it can still serve.
  if (failed.length > 0) return presentState(broker);
  if (broker.isFenced) {
    if (wantShutDown) return "mayStop";
    const isCaughtUp = contact.metadataOffset >= contact.caughtUpOffset;
    return wantFence || !isCaughtUp ? "fenced" : "unfenced";
  }
  const isLeading = () => leads(state.image, broker.id);
  if (broker.isInControlledShutdown) {
    const { shutdownOffset } = contact;
    const isSeen = shutdownOffset !== -1 &&
      lowestOffset(contact, state) >= shutdownOffset;
    return isSeen && !isLeading() ? "mayStop" : "controlled";
  }
  if (wantFence) return wantShutDown ? "mayStop" : "fenced";
  if (!wantShutDown) return "unfenced";
  return isLeading() ? "controlled" : "mayStop";
}

function presentState(
  { isFenced, isInControlledShutdown }: BrokerImage,
): ControlState {
  if (isFenced) return "fenced";
  return isInControlledShutdown ? "controlled" : "unfenced";
}

/** The metadata offset that every broker which serves has reached. */
function lowestOffset(
  contact: BrokerContact,
  { image, contacts }: ControllerState,
): number {
  let lowest = contact.metadataOffset;
  for (const broker of image.brokers.values()) {
    if (broker.isFenced || broker.id === contact.brokerId) continue;
    lowest = Math.min(lowest, contacts.of(broker)?.metadataOffset ?? -1);
  }
  return lowest;
}

function leads(image: MetadataImage, id: number): boolean {
  for (const { topic, index } of image.partitionsOf(id)) {
    if (topic.partitions[index]!.leader === id) return true;
  }
  return false;
}

function transition(
  broker: BrokerImage,
  next: ControlState,
  state: ControllerState,
): MetadataRecord[] {
  switch (next) {
    case "fenced":
    case "mayStop":
      return broker.isFenced ? [] : fenced(broker, state);
    case "unfenced":
      return broker.isFenced ? unfenced(broker, state) : [];
    case "controlled":
      return broker.isInControlledShutdown ? [] : leaving(broker, state);
  }
}

function fenced(broker: BrokerImage, state: ControllerState): MetadataRecord[] {
  return [
    ...withoutBroker(broker.id, { state, isClean: true }),
    metadataRecord("BrokerRegistrationChange", {
      brokerId: broker.id,
      brokerEpoch: broker.epoch,
      fenced: 1,
    }),
  ];
}

function unfenced(
  broker: BrokerImage,
  state: ControllerState,
): MetadataRecord[] {
  const { id, epoch, isInControlledShutdown } = broker;
  const isAlive = (other: number) =>
    other === id ? !isInControlledShutdown : canLead(state.image, other);
  return [
    metadataRecord("BrokerRegistrationChange", {
      brokerId: id,
      brokerEpoch: epoch,
      fenced: -1,
    }),
    ...changes(state.image.leaderlessPartitions(), { state, isAlive }),
  ];
}

function leaving(
  broker: BrokerImage,
  state: ControllerState,
): MetadataRecord[] {
  return [
    metadataRecord("BrokerRegistrationChange", {
      brokerId: broker.id,
      brokerEpoch: broker.epoch,
      inControlledShutdown: 1,
    }),
    ...withoutBroker(broker.id, { state, isClean: true }),
  ];
}

/** Those of a broker's directories that it says have failed. */
function failedDirectories(
  { logDirs }: BrokerImage,
  { heartbeat: { offlineLogDirs }, image }: {
    readonly heartbeat: BrokerHeartbeat;
    readonly image: MetadataImage;
  },
): Uuid[] {
  if (!usesDirectories(image)) return [];
  return logDirs.filter((directory) => offlineLogDirs.includes(directory));
}

/** Replicas in directories that failed serve nobody; others lead for them. */
function directoriesFailed(
  { id, epoch, logDirs }: BrokerImage,
  { failed, state }: {
    readonly failed: readonly Uuid[];
    readonly state: ControllerState;
  },
): MetadataRecord[] {
  const left = logDirs.filter((directory) => !failed.includes(directory));
  // Without any it is fenced: no record can say that there are none.
  if (failed.length === 0 || left.length === 0) return [];
  const concerned = [...state.image.partitionsOf(id)].filter(
    ({ topic, index }) => {
      const partition = topic.partitions[index]!;
      const directory = directoryOf(partition, id);
      return partition.isr.includes(id) && directory !== undefined &&
        failed.includes(directory);
    },
  );
  const isAlive = (other: number) =>
    other !== id && canLead(state.image, other);
  const records = [...changes(concerned, { state, isAlive, gone: id })];
  records.push(metadataRecord("BrokerRegistrationChange", {
    brokerId: id,
    brokerEpoch: epoch,
    logDirs: left,
  }));
  return records;
}

/** Another choice of directories that take no new replicas (KIP-1066). */
function directoriesCordoned(
  { id, epoch, cordonedLogDirs: before }: BrokerImage,
  { heartbeat: { cordonedLogDirs }, image }: {
    readonly heartbeat: BrokerHeartbeat;
    readonly image: MetadataImage;
  },
): MetadataRecord[] {
  if (cordonedLogDirs === null || !usesCordoned(image)) return [];
  const isSame =
    new Set(before).symmetricDifference(new Set(cordonedLogDirs)).size === 0;
  return isSame ? [] : [metadataRecord("BrokerRegistrationChange", {
    brokerId: id,
    brokerEpoch: epoch,
    cordonedLogDirs,
  })];
}

/** Fences the broker that is silent for longest, if that is too long. */
export function fenceStale(state: ControllerState): ControllerDecision {
  const { image, contacts, config, nowMs } = state;
  const timeoutMs = config["broker.session.timeout.ms"];
  const serving = [...image.brokers.values()].filter((each) => !each.isFenced);
  const [stale] = serving
    .filter((broker) => nowMs - contacts.silentSinceMs(broker) > timeoutMs)
    .sort((a, b) => contacts.silentSinceMs(a) - contacts.silentSinceMs(b));
  return {
    records: stale === undefined ? [] : fenced(stale, state),
    reply: { type: "fenceStale", brokerId: stale?.id ?? -1 },
  };
}

/** A broker is gone for good: nobody waits for it any more. */
export function unregisterBroker(
  { brokerId }: { readonly brokerId: number },
  state: ControllerState,
): ControllerDecision {
  const broker = state.image.broker(brokerId);
  if (broker === undefined) {
    throw new KafkaError(
      "BROKER_ID_NOT_REGISTERED",
      `Broker ${brokerId} is not registered`,
    );
  }
  const { epoch: brokerEpoch } = broker;
  return {
    records: [
      ...withoutBroker(brokerId, { state, isClean: false }),
      metadataRecord("UnregisterBroker", { brokerId, brokerEpoch }),
    ],
    reply: { type: "unregisterBroker" },
  };
}

/** The registered broker `id`, in `epoch`. */
export function requireBroker(
  image: MetadataImage,
  id: number,
  epoch: number,
): BrokerImage {
  const broker = image.broker(id);
  if (broker?.epoch === epoch) return broker;
  throw new KafkaError(
    "STALE_BROKER_EPOCH",
    broker === undefined
      ? `Broker ${id} is not registered`
      : `Broker ${id} is in epoch ${broker.epoch}, not ${epoch}`,
  );
}

/**
 * Takes `id` out of every ISR, and its leaderships with that. One that may
 * have lost what it had isn't eligible either.
 */
function withoutBroker(
  id: number,
  { state, isClean }: {
    readonly state: ControllerState;
    readonly isClean: boolean;
  },
): Iterable<MetadataRecord> {
  const isAlive = (other: number) =>
    other !== id && canLead(state.image, other);
  const concerned = [...state.image.partitionsOf(id)].filter(
    ({ topic, index }) => {
      const { isr, eligibleLeaderReplicas } = topic.partitions[index]!;
      return isr.includes(id) ||
        !isClean && eligibleLeaderReplicas.includes(id);
    },
  );
  return changes(concerned, { state, isAlive, gone: id, isClean });
}

function* changes(
  places: Iterable<PartitionPlace>,
  { state, isAlive, gone, isClean = true }: {
    readonly state: ControllerState;
    readonly isAlive: (id: number) => boolean;
    readonly gone?: number;
    readonly isClean?: boolean;
  },
): Generator<MetadataRecord> {
  const left = gone === undefined ? [] : [gone];
  for (const place of places) {
    const { topic, index } = place;
    const { isr } = topic.partitions[index]!;
    const change = partitionChange(place, {
      state,
      target: left.length === 0 ? {} : { isr: without(isr, left) },
      election: allowsUncleanLeaders(state, topic.name) ? "unclean" : "any",
      isAlive,
      uncleanShutdowns: isClean ? [] : left,
    });
    if (change !== undefined) yield change;
  }
}

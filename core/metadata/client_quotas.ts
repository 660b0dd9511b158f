/**
 * Quotas of users, clients and addresses (KIP-546): which may be set on what,
 * the decision to set them, and which of them match a filter. Decides and
 * looks up only; enforcing them is not its business.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type {
  AlteredQuotas,
  ControllerDecision,
  ControllerState,
  QuotaChanges,
} from "./controller.ts";
import type { MetadataImage, QuotaImage } from "./image.ts";
import { type QuotaEntity, quotaEntity, quotaKey } from "./quota_entity.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { duplicates, itemResult } from "./topics.ts";

const USER = "user";
const CLIENT = "client-id";
const IP = "ip";
const TYPES: readonly string[] = [CLIENT, USER, IP];

/** The largest value of a quota key, and whether it is a whole number. */
interface QuotaKey {
  readonly max: number;
  readonly isWhole: boolean;
}

const BYTE_RATE: QuotaKey = { max: 2 ** 63, isWhole: true };
const SHARE: QuotaKey = { max: Number.MAX_VALUE, isWhole: false };
const CLIENT_KEYS: Readonly<Record<string, QuotaKey>> = {
  producer_byte_rate: BYTE_RATE,
  consumer_byte_rate: BYTE_RATE,
  request_percentage: SHARE,
  controller_mutation_rate: SHARE,
};
const IP_KEYS: Readonly<Record<string, QuotaKey>> = {
  connection_creation_rate: { max: 2 ** 31 - 1, isWhole: true },
};

/** How far from a whole number a value may be that has to be one. */
const WHOLE_WITHIN = 1e-6;

/** Sets and removes quotas, or only says whether it could be done. */
export function alterClientQuotas(
  { entries, validateOnly }: {
    readonly entries: readonly QuotaChanges[];
    readonly validateOnly: boolean;
  },
  { image }: ControllerState,
): ControllerDecision {
  const records: MetadataRecord[] = [];
  const changes = entries.map(({ entity, ops }) => ({
    entity: quotaEntity(entity),
    ops,
  }));
  const twice = duplicates(changes.map(({ entity }) => quotaKey(entity)));
  const results = new Map<string, AlteredQuotas>();
  for (const { entity, ops } of changes) {
    const key = quotaKey(entity);
    const result = itemResult(() => {
      if (twice.has(key)) refuse("It stands more than once in the request");
      const keys = keysOf(entity);
      const [again] = duplicates(ops.map((op) => op.key));
      if (again !== undefined) refuse(`Quota ${again} is given twice`);
      for (const op of ops) if (!op.remove) checkValue(op, keys);
      const before = image.quotas.get(key)?.values;
      records.push(
        ...ops.filter(({ key, value, remove }) =>
          before?.get(key) !== (remove ? undefined : value)
        ).map((op) => metadataRecord("ClientQuota", { entity, ...op })),
      );
    });
    results.set(key, { entity, ...result });
  }
  return {
    records: validateOnly ? [] : records,
    reply: { type: "alterClientQuotas", entries: [...results.values()] },
  };
}

function refuse(message: string): never {
  throw new KafkaError("INVALID_REQUEST", message);
}

/** The quotas that `entity` may have; throws when there is no such entity. */
function keysOf(entity: QuotaEntity): Readonly<Record<string, QuotaKey>> {
  if (entity.length === 0) refuse("The entity is empty");
  for (const { entityType, entityName } of entity) {
    if (!TYPES.includes(entityType)) {
      refuse(`Entity type "${entityType}" is not known`);
    }
    if (entityName === "") refuse(`The ${entityType} is empty`);
  }
  const ip = entity.find(({ entityType }) => entityType === IP);
  if (ip === undefined) return CLIENT_KEYS;
  if (entity.length > 1) {
    refuse("An address has its quotas alone, not with a user or a client");
  }
  if (ip.entityName !== null && !isAddress(ip.entityName)) {
    refuse(`"${ip.entityName}" is not an IP address`);
  }
  return IP_KEYS;
}

/** Host names are no addresses: what one means depends on who asks. */
function isAddress(text: string): boolean {
  if (/^[\d.]+$/.test(text)) {
    const parts = text.split(".");
    return parts.length === 4 &&
      parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  }
  return /^[\da-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]`);
}

function checkValue(
  { key, value }: { readonly key: string; readonly value: number },
  keys: Readonly<Record<string, QuotaKey>>,
): void {
  const limits = Object.hasOwn(keys, key) ? keys[key] : undefined;
  if (limits === undefined) {
    refuse(`Quota "${key}" is none of ${Object.keys(keys).join(", ")}`);
  }
  if (!Number.isFinite(value) || value <= 0) {
    refuse(`Quota ${key} must be a number above 0, not ${value}`);
  }
  if (value > limits.max) {
    refuse(`Quota ${key} must be at most ${limits.max}, not ${value}`);
  }
  if (limits.isWhole && Math.abs(value - Math.round(value)) > WHOLE_WITHIN) {
    refuse(`Quota ${key} must be a whole number, not ${value}`);
  }
}

/** One part of a filter. */
export interface QuotaFilterComponent {
  readonly entityType: string;
  /** 0: this name; 1: the default; 2: any. */
  readonly matchType: number;
  readonly match: string | null;
}

const MATCH = { EXACT: 0, DEFAULT: 1, SPECIFIED: 2 } as const;

/** The quotas of all entities that match; `strict` ones have no other part. */
export function findClientQuotas(
  image: MetadataImage,
  { components, strict }: {
    readonly components: readonly QuotaFilterComponent[];
    readonly strict: boolean;
  },
): QuotaImage[] {
  checkFilter(components);
  return [...image.quotas.values()].filter(({ entity }) =>
    (!strict || entity.length === components.length) &&
    components.every((component) =>
      entity.some((part) =>
        part.entityType === component.entityType &&
        (component.matchType === MATCH.SPECIFIED ||
          // The default is the entity without a name.
          part.entityName === component.match)
      )
    )
  );
}

function checkFilter(components: readonly QuotaFilterComponent[]): void {
  const types = components.map(({ entityType }) => entityType);
  const [twice] = duplicates(types);
  if (twice !== undefined) refuse(`Entity type "${twice}" is given twice`);
  for (const { entityType, matchType, match } of components) {
    if (entityType === "") refuse("An entity type is empty");
    if (!TYPES.includes(entityType)) {
      throw new KafkaError(
        "UNSUPPORTED_VERSION",
        `Entity type "${entityType}" is not known`,
      );
    }
    if (!Object.values<number>(MATCH).includes(matchType)) {
      refuse(`Match type ${matchType} is not known`);
    }
    if ((matchType === MATCH.EXACT) !== (match !== null)) {
      refuse("A name to match goes with an exact match, and with no other");
    }
  }
  if (types.includes(IP) && types.length > 1) {
    refuse("An address can't be asked for with a user or a client");
  }
}

/**
 * Who a quota is for: a user, a client of a user, an address. Owns when two
 * of them are the same; knows no quota.
 *
 * @module
 */

/** Each part names a user, a client or an address; a null name: any without. */
export type QuotaEntity = readonly {
  readonly entityType: string;
  readonly entityName: string | null;
}[];

/** The entity with each type once, the last one, in one order. */
export function quotaEntity(parts: QuotaEntity): QuotaEntity {
  const byType = new Map(parts.map((part) => [part.entityType, part]));
  return [...byType.values()]
    .sort((a, b) => Number(a.entityType > b.entityType) * 2 - 1);
}

/** A text that two entities of {@linkcode quotaEntity} share if they are equal. */
export function quotaKey(entity: QuotaEntity): string {
  return JSON.stringify(
    entity.map(({ entityType, entityName }) => [entityType, entityName]),
  );
}

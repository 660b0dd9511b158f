/**
 * RFC 3339 times as milliseconds since the Unix epoch, by arithmetic alone. It
 * must never ask for the present time or the machine's time zone.
 *
 * @module
 */

const TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d)))?$/;
const DAY_MS = 86_400_000;

/**
 * Milliseconds since the Unix epoch; undefined for text that is no time. A
 * date alone is its first moment in UTC; digits below a millisecond are cut.
 */
export function parseRfc3339(text: string): number | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const [year, month, day] = [part(1), part(2), part(3)];
  const [hour, minute, second] = [part(4), part(5), part(6)];
  if (month < 1 || month > 12 || day < 1) return undefined;
  if (day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (part(9) > 23 || part(10) > 59) return undefined;
  const sign = match[8] === "-" ? -1 : 1;
  const minutes = hour * 60 + minute - sign * (part(9) * 60 + part(10));
  const fraction = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  return daysSinceEpoch({ year, month, day }) * DAY_MS + minutes * 60_000 +
    second * 1000 + fraction;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Years begin in March here, so that the leap day is a year's last. */
function daysSinceEpoch(
  date: { year: number; month: number; day: number },
): number {
  const { year, month, day } = date;
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

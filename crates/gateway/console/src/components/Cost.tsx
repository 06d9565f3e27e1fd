// What something cost: rounded to read, exact to look at.

import type { Row } from "../live/feed";
import { amount, exactAmount, price } from "../logic/money";

/** Used where a row has no price that would name the currency. */
const CURRENCY = "USD";

export function Cost({ row }: { row: Row }) {
  if (row.cost === null) return <>not shown to this key</>;
  const currency = row.price?.currency ?? CURRENCY;
  return <span title={`exactly ${exactAmount(row.cost, currency)}`}>{amount(row.cost, currency)}</span>;
}

export function PerHour({ row }: { row: Row }) {
  if (row.price === null) return null;
  return <>{price(row.price.pricePerHour, row.price.currency)} an hour</>;
}

// Money for people, from exact numbers: integers and decimal texts, never through floating point.

/** Decimal text of `units` of 10^-`scale`: (4500, 6) is "0.004500". */
export function decimal(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  const text = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return units < 0n ? `-${text}` : text;
}

function format(text: string, currency: string, most: number): string {
  const style = { style: "currency", currency, minimumFractionDigits: 2, maximumFractionDigits: most } as const;
  // A text of digits is formatted exactly; only the type wants to be told that it is a number.
  return new Intl.NumberFormat("en-US", style).format(text as `${number}`);
}

/** An amount in millionths, rounded for reading: cents, or hundredths of a cent where it is less than one unit. */
export function amount(micros: bigint, currency: string): string {
  const whole = micros >= 1_000_000n || micros <= -1_000_000n;
  return format(decimal(micros, 6), currency, whole ? 2 : 4);
}

/** An amount in millionths, to its last digit. */
export function exactAmount(micros: bigint, currency: string): string {
  return format(decimal(micros, 6), currency, 6);
}

/** A price per hour from its decimal text, to its last digit. */
export function price(perHour: string, currency: string): string {
  return format(perHour, currency, 9);
}

/** The sum of prices per hour, each in billionths. */
export function sumOfRates(nanos: number[], currency: string): string {
  const sum = nanos.reduce((total, rate) => total + BigInt(rate), 0n);
  return price(decimal(sum, 9), currency);
}

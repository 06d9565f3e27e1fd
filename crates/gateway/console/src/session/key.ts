// The API key of this tab: typed once, kept until the tab is closed or somebody logs out. It is in no other place.

const NAME = "quire.key";

/** The key, or null while nobody is logged in. */
export function keptKey(): string | null {
  return sessionStorage.getItem(NAME);
}

export function keepKey(key: string): void {
  sessionStorage.setItem(NAME, key);
}

export function forgetKey(): void {
  sessionStorage.removeItem(NAME);
}

/** Whether a text can be sent as a key at all: a header carries printable ASCII only. */
export function canBeSent(key: string): boolean {
  return /^[\x21-\x7e]+$/.test(key);
}

// A real Chromium with nothing remembered, and what every view is held to.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs `walk` with a page of a fresh browser; what the browser complains about fails it, too. */
export async function withBrowser(walk) {
  const profile = await mkdtemp(join(tmpdir(), "quire-console-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.QUIRE_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    // Tests run as root, where Chromium has no sandbox, and where nothing but the installation is reached.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    viewport: { width: 1280, height: 860 },
    // Colours half-way between two are nobody's.
    reducedMotion: "reduce",
  });
  browser.setDefaultTimeout(60_000);
  const page = browser.pages()[0] ?? (await browser.newPage());
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`error in the page: ${error.message}`));
  page.on("console", (message) => {
    // That an answer was 401 is what the wrong key is for.
    const expected = /status of 4\d\d|ERR_INTERNET_DISCONNECTED/.test(message.text());
    if (message.type() === "error" && !expected) complaints.push(`in the console: ${message.text()}`);
  });
  try {
    await walk(page, browser);
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
  } catch (error) {
    await page.screenshot({ path: join(tmpdir(), "quire-console-failed.png"), fullPage: true }).catch(() => {});
    console.error(await page.locator("body").innerText().catch(() => "the page is gone"));
    throw error;
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Holds a view to axe's rules, and to the width of its window. A picture goes to QUIRE_SHOTS where that is set. */
export async function look(page, name) {
  const shots = process.env.QUIRE_SHOTS;
  // What lies behind a dialog is seen as far as the window goes.
  const fullPage = (await page.getByRole("dialog").count()) === 0;
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage });
  // The page's own policy forbids scripts from elsewhere: the rules come in by the debugger's door.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(", ")}`);
  if (told.length > 0) throw new Error(`${name} is not accessible:\n${told.join("\n")}`);
  const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  if (width > room) throw new Error(`${name} is ${width} wide in a window of ${room}`);
}

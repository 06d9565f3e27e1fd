// What a person does at the console, from a wrong key to logging out. Needs an installation without notebooks at QUIRE_URL, and
// QUIRE_KEY of one who may create them.

import assert from "node:assert/strict";
import { look, withBrowser } from "./browser.mjs";

const { QUIRE_URL: url, QUIRE_KEY: key } = process.env;
assert(url && key, "QUIRE_URL and QUIRE_KEY say where and as whom");

/** Starting a notebook may have to fetch packages, and JupyterLab shares the machine with all other tests. */
const START = 180_000;

const name = (page, role, text) => page.getByRole(role, { name: text, exact: true });
const row = (page, notebook) => page.locator(`tr[data-notebook="${notebook}"]`);
const inState = (page, state) => row(page, "walk").getByText(state, { exact: true });

async function logIn(page) {
  const answer = await page.goto(url);
  assert.match(await page.content(), /id="root"/, "the program was built without the console: scripts/console, then build");
  assert.match(answer.headers()["content-security-policy"], /script-src 'self'; /);
  await page.getByLabel("API key").waitFor();
  await look(page, "login");
  await page.getByLabel("API key").fill("qk_wrong");
  await page.keyboard.press("Enter");
  const refused = await fetch(`${url}/v1/auth/session`, { headers: { authorization: "Bearer qk_wrong" } });
  await page.getByText((await refused.json()).message).waitFor();
  await look(page, "login-wrong");
  await page.getByLabel("API key").fill(key);
  await page.keyboard.press("Enter");
  await name(page, "heading", "Make your first notebook").waitFor();
}

/** A refused name is shown at the name, as the API says it; then the same form makes the notebook. */
async function create(page) {
  await look(page, "first-visit");
  await name(page, "button", "Create a notebook").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("x".repeat(101));
  await dialog.getByText("Create and start").click();
  await dialog.locator("input[name=name][aria-invalid=true]:focus").waitFor();
  await look(page, "create-refused");
  await dialog.getByLabel("Name", { exact: true }).fill("walk");
  await dialog.getByRole("radio", { name: /^C3 / }).check();
  await dialog.getByRole("radio", { name: /^rapids / }).check();
  assert.equal(await dialog.getByLabel("Environment", { exact: true }).inputValue(), "rapids");
  await dialog.getByText("Create and start").click();
  await dialog.getByText(/^rapids needs a GPU/).waitFor();
  await look(page, "create-template-refused");
  await dialog.getByRole("radio", { name: /^scratch / }).check();
  assert.equal(await dialog.getByLabel("Environment", { exact: true }).inputValue(), "python");
  await page.setViewportSize({ width: 375, height: 740 });
  await look(page, "create-phone");
  await page.setViewportSize({ width: 1280, height: 860 });
  await look(page, "create");
  await dialog.getByText("Create and start").click();
  await dialog.waitFor({ state: "detached" });
  await row(page, "walk").waitFor();
  // The button that had the focus is gone.
  await page.locator("h1:focus").waitFor();
}

/** Everything from here on happens on the page as it was loaded. */
async function runs(page) {
  await page.evaluate(() => {
    globalThis.wasNotLoadedAgain = true;
  });
  await inState(page, "Running").waitFor({ timeout: START });
  await page.getByText("walk is Running").waitFor({ state: "attached" });
  assert.equal(await page.evaluate(() => globalThis.wasNotLoadedAgain), true);
  await look(page, "running");
}

async function opens(page, browser) {
  const [opened] = await Promise.all([browser.waitForEvent("page"), name(page, "link", "Open walk").click()]);
  await opened.locator(".jp-LabShell").waitFor({ timeout: START });
  // What the template brought.
  await opened.getByRole("listitem", { name: /start\.ipynb/ }).waitFor({ timeout: START });
  assert(!opened.url().includes("token="), "the token is in the cookie now, not in the address");
  assert.equal(await opened.evaluate(() => globalThis.opener), null);
  await opened.close();
}

async function story(page) {
  await name(page, "link", "walk").click();
  await name(page, "heading", "What happened").waitFor();
  await name(page, "heading", "Runs").waitFor();
  await look(page, "notebook");
  await page.setViewportSize({ width: 375, height: 740 });
  await look(page, "notebook-phone");
  await page.getByText("All notebooks").click();
  await row(page, "walk").waitFor();
  await look(page, "running-phone");
  await page.setViewportSize({ width: 1280, height: 860 });
}

async function offline(page, browser) {
  await browser.setOffline(true);
  await page.getByText("Quire is not reached.").waitFor();
  await look(page, "offline");
  await browser.setOffline(false);
  await page.getByText("Quire is not reached.").waitFor({ state: "detached" });
}

/** By keyboard alone. */
async function stops(page) {
  await name(page, "button", "Stop walk").focus();
  await page.keyboard.press("Enter");
  await inState(page, "Stopped").waitFor({ timeout: 60_000 });
  await row(page, "walk").locator("button:focus", { hasText: "Start" }).waitFor();
  await look(page, "stopped");
  await page.emulateMedia({ colorScheme: "dark" });
  await look(page, "stopped-dark");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await look(page, "delete-dark");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await row(page, "walk").locator("button:focus", { hasText: "Delete" }).waitFor();
  await page.emulateMedia({ colorScheme: "light" });
}

async function deletes(page) {
  await name(page, "button", "Delete walk").click();
  await name(page, "button", "Delete notebook and files").click();
  await name(page, "heading", "Make your first notebook").waitFor({ timeout: 60_000 });
}

/** The key is in this tab, never in an address, and gone afterwards. */
async function logsOut(page) {
  await page.reload();
  await name(page, "heading", "Make your first notebook").waitFor();
  assert(!page.url().includes(key));
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  await name(page, "button", "Log out").click();
  await page.getByLabel("API key").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.reload();
  await page.getByLabel("API key").waitFor();
}

await withBrowser(async (page, browser) => {
  await logIn(page);
  await create(page);
  await runs(page);
  await opens(page, browser);
  await story(page);
  await offline(page, browser);
  await stops(page);
  await deletes(page);
  await logsOut(page);
});

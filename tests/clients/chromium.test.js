// A real browser: cookies, SameSite, redirects and pages as people have them. It is driven over its own protocol by
// playwright-core; the app is a page of another origin, which calls with the official client's own requests.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const auth = process.env.CHRYSALIS_URL;
const base = `${auth}/api/auth`;
const profile = mkdtempSync(join(tmpdir(), "chromium-"));
const headless = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};
let app;
let origin;
let context;

before(async () => {
  app = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>app</title>");
  });
  await new Promise((resolve) => app.listen(Number(new URL(process.env.CHRYSALIS_APP_URL).port), "127.0.0.1", resolve));
  origin = process.env.CHRYSALIS_APP_URL;
  context = await chromium.launchPersistentContext(profile, {
    ...headless,
  });
});

after(async () => {
  await context?.close();
  app?.close();
  rmSync(profile, { recursive: true, force: true });
});

const call = (page, path, body) =>
  page.evaluate(
    async ([url, body]) => {
      const init = body
        ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
        : {};
      const answer = await fetch(url, { credentials: "include", ...init });
      return answer.json();
    },
    [`${base}${path}`, body],
  );

test("a guest becomes a member by a provider", async () => {
  const page = await context.newPage();
  await page.goto(origin);
  const guest = await call(page, "/sign-in/anonymous", {});
  assert.equal(guest.user.isAnonymous, true);
  const { url } = await call(page, "/anonymous/upgrade-with-social", {
    provider: "google",
    callbackURL: `${origin}/welcome`,
  });
  await page.goto(url);
  await page.fill("input[name=hint]", "jane-1 jane@example.com verified Jane Doe");
  await page.click("button");
  await page.waitForURL(`${origin}/welcome`);
  // Somebody else comes next.
  await context.clearCookies({ domain: "127.0.0.1" });
  const { user, session } = await call(page, "/get-session");
  assert.equal(user.id, guest.user.id);
  assert.equal(session.id, guest.session.id);
  assert.equal(user.isAnonymous, false);
  assert.equal(user.email, "jane@example.com");
  assert.equal(user.emailVerified, true);
  await call(page, "/sign-out", {});
  await page.close();
});

test("apple posts its answer across sites, and the cookies are there all the same", async () => {
  const page = await context.newPage();
  await page.goto(origin);
  const guest = await call(page, "/sign-in/anonymous", {});
  const { url } = await call(page, "/sign-in/social", { provider: "apple", callbackURL: `${origin}/welcome` });
  assert.match(url, /response_mode=form_post/);
  await page.goto(url);
  await page.fill("input[name=hint]", "apple-1 apple@example.com verified Ann Apple");
  await page.click("button");
  await page.waitForURL(`${origin}/welcome`);
  const { user } = await call(page, "/get-session");
  assert.equal(user.id, guest.user.id);
  assert.equal(user.email, "apple@example.com");
  await call(page, "/sign-out", {});
  await page.close();
});

test("a guest becomes a member by a link in a mail", async () => {
  const page = await context.newPage();
  await page.goto(origin);
  const guest = await call(page, "/sign-in/anonymous", {});
  await call(page, "/sign-in/magic-link", { email: "link@example.com", callbackURL: `${origin}/linked` });
  const [mail] = await mails("link@example.com", 1);
  await page.goto(mail.url);
  await page.waitForURL(`${origin}/linked`);
  const { user } = await call(page, "/get-session");
  assert.equal(user.id, guest.user.id);
  assert.equal(user.isAnonymous, false);
  await call(page, "/sign-out", {});
  await page.close();
});

test("a link opened in another browser asks first, and brings the guest along if it is told to", async () => {
  const page = await context.newPage();
  await page.goto(origin);
  const guest = await call(page, "/sign-in/anonymous", {});
  await call(page, "/sign-in/magic-link", { email: "phone@example.com", callbackURL: `${origin}/linked` });
  const [mail] = await mails("phone@example.com", 1);
  const phone = await (await chromiumElsewhere()).newPage();
  await phone.goto(mail.url);
  assert.match(await phone.textContent("body"), /phone@example\.com/);
  await phone.check("input[name=bring]");
  await phone.click("button");
  await phone.waitForURL(`${origin}/linked`);
  assert.equal((await call(phone, "/get-session")).user.id, guest.user.id);
  // Whoever asked may have hoped that somebody else would click.
  assert.equal(await call(page, "/get-session"), null);
  await page.close();
});

// Another cookie jar of the same browser.
const chromiumElsewhere = async () => {
  const browser = await chromium.launch(headless);
  after(() => browser.close());
  return browser.newContext();
};

const mails = async (to, count) => {
  for (;;) {
    const answer = await fetch(`${auth}/dev/mail.json?to=${encodeURIComponent(to)}`);
    const found = await answer.json();
    if (found.length >= count) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

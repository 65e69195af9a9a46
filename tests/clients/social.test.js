// Social sign-in, linking, change of address and deletion through the official client, with a certified OIDC provider.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthClient } from "better-auth/client";
import { anonymousClient } from "better-auth/client/plugins";
import { address, baseURL, Browser, got, mail, password, server } from "./browser.js";

function open() {
  const browser = new Browser();
  const fetchOptions = { customFetchImpl: browser.fetch };
  return { browser, client: createAuthClient({ baseURL, plugins: [anonymousClient()], fetchOptions }) };
}

const email = () => address("social");

/** The browser goes where it is sent, until the app's own page. */
async function follow(browser, url) {
  for (let hops = 0; hops < 12; hops++) {
    const response = await browser.fetch(url);
    const next = response.headers.get("location");
    assert.ok(next, `${url} leads nowhere: ${response.status}`);
    url = new URL(next, url).href;
    if (url.startsWith(server) && !url.startsWith(baseURL)) return url.slice(server.length);
  }
  assert.fail("in circles");
}

/** Away and back, as who the hint says. The client would navigate by itself; Node has nowhere to. */
async function walk(browser, called) {
  const { url, redirect } = got(await called);
  assert.equal(redirect, false);
  // The provider's cookies are the provider's: a person of its own for each flow.
  return follow(browser, url);
}

const form = (to, subject) => ({
  provider: "google",
  callbackURL: "/home",
  errorCallbackURL: "/sorry",
  newUserCallbackURL: "/welcome",
  disableRedirect: true,
  loginHint: `${subject} ${to} verified Jane Doe`,
});

test("a guest becomes a member by signIn.social, and signs in again elsewhere", async () => {
  const { browser, client } = open();
  const to = email();
  const guest = got(await client.signIn.anonymous());
  assert.equal(await walk(browser, client.signIn.social(form(to, `s-${to}`))), "/home");
  const { user, session } = got(await client.getSession());
  assert.deepEqual([user.id, session.id, user.isAnonymous], [guest.user.id, guest.session.id, false]);
  assert.deepEqual([user.email, user.emailVerified, user.name], [to, true, "Jane Doe"]);
  const again = open();
  assert.equal(await walk(again.browser, again.client.signIn.social(form(to, `s-${to}`))), "/home");
  assert.equal(got(await again.client.getSession()).user.id, guest.user.id);
});

test("a guest becomes a member by anonymous.upgradeWithSocial", async () => {
  const { browser, client } = open();
  const to = email();
  const guest = got(await client.signIn.anonymous());
  assert.equal(await walk(browser, client.anonymous.upgradeWithSocial(form(to, `u-${to}`))), "/home");
  assert.equal(got(await client.getSession()).user.id, guest.user.id);
});

test("accounts are linked, listed and unlinked", async () => {
  const { browser, client } = open();
  const to = email();
  got(await client.signUp.email({ email: to, password, name: "Jane" }));
  assert.equal(await walk(browser, client.linkSocial(form(to, `l-${to}`))), "/home");
  const accounts = got(await client.listAccounts());
  assert.deepEqual(accounts.map((account) => account.providerId).sort(), ["credential", "google"]);
  const google = accounts.find((account) => account.providerId === "google");
  assert.equal(google.accountId, `l-${to}`);
  assert.ok(google.scopes.includes("openid"));
  assert.deepEqual(got(await client.unlinkAccount({ providerId: "google" })), { status: true });
  const last = await client.unlinkAccount({ providerId: "credential" });
  assert.equal(last.error.code, "FAILED_TO_UNLINK_LAST_ACCOUNT");
  const unknown = await client.signIn.social({ provider: "myspace" });
  assert.deepEqual([unknown.error.status, unknown.error.code], [404, "PROVIDER_NOT_FOUND"]);
});

test("a member changes the address, and goes", async () => {
  const { client } = open();
  const [from, to] = [email(), email()];
  got(await client.signUp.email({ email: from, password, name: "Jane" }));
  assert.deepEqual(got(await client.changeEmail({ newEmail: to })), { status: true });
  const { token } = await mail(to, "change-email");
  assert.deepEqual(got(await client.verifyEmail({ query: { token } })), { status: true, user: null });
  assert.equal(got(await client.getSession()).user.email, to);
  assert.deepEqual(got(await client.deleteUser({ password })), { success: true, message: "User deleted" });
  assert.equal(got(await client.getSession()), null);
});

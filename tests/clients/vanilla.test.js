// The guest's life through the official client with its anonymous plugin, as a page without a framework uses it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthClient } from "better-auth/client";
import { anonymousClient } from "better-auth/client/plugins";
import { address, baseURL, Browser, got, password } from "./browser.js";

function open(browser = new Browser()) {
  const client = createAuthClient({ baseURL, plugins: [anonymousClient()], fetchOptions: { customFetchImpl: browser.fetch } });
  return { browser, client };
}

/** A member by upgrade, and what it got. */
async function member(name) {
  const page = open();
  const email = address(name);
  const guest = got(await page.client.signIn.anonymous());
  const upgraded = got(await page.client.anonymous.upgrade({ email, password, name: "Jane Doe" }));
  return { ...page, email, guest, upgraded };
}

test("a guest arrives and is found again", async () => {
  const { browser, client } = open();
  assert.equal(got(await client.getSession()), null);

  const arrived = got(await client.signIn.anonymous());
  assert.equal(browser.last.call, "POST /api/auth/sign-in/anonymous");
  assert.equal(arrived.user.isAnonymous, true);
  assert.equal(arrived.user.email, null);
  assert.equal(arrived.token, arrived.session.token);

  const { session, user } = got(await client.getSession());
  assert.equal(user.id, arrived.user.id);
  assert.equal(user.isAnonymous, true);
  assert.equal(session.id, arrived.session.id);
  assert.ok(session.expiresAt instanceof Date && user.createdAt instanceof Date, "the client reads our dates");
  assert.deepEqual(got(await client.listAccounts()), []);

  const again = got(await client.signIn.anonymous());
  assert.deepEqual([again.user.id, again.session.id], [arrived.user.id, arrived.session.id]);
});

test("a guest becomes a member in place, with a new token by cookie", async () => {
  const { browser, client, email, guest, upgraded } = await member("in-place");
  assert.equal(browser.last.call, "POST /api/auth/anonymous/upgrade");
  assert.equal(upgraded.user.id, guest.user.id);
  assert.equal(upgraded.session.id, guest.session.id);
  assert.notEqual(upgraded.token, guest.token);
  assert.equal(upgraded.user.isAnonymous, false);
  assert.equal(upgraded.user.email, email);
  assert.equal(upgraded.user.name, "Jane Doe");

  const { session, user } = got(await client.getSession());
  assert.deepEqual([user.id, session.id, session.token], [guest.user.id, guest.session.id, upgraded.token]);
  assert.equal(user.isAnonymous, false);
  const [account] = got(await client.listAccounts());
  assert.deepEqual([account.providerId, account.accountId], ["credential", guest.user.id]);
});

test("a guest by bearer keeps its token through the upgrade", async () => {
  let token = null;
  // As the client's documentation has it for apps without cookies: no jar, the token from `set-auth-token`.
  const client = createAuthClient({
    baseURL,
    plugins: [anonymousClient()],
    fetchOptions: {
      auth: { type: "Bearer", token: () => token ?? undefined },
      onSuccess: ({ response }) => void (token = response.headers.get("set-auth-token") ?? token),
    },
  });
  const guest = got(await client.signIn.anonymous());
  assert.ok(token.startsWith(`${guest.token}.`));
  const upgraded = got(await client.anonymous.upgrade({ email: address("bearer"), password }));
  assert.deepEqual([upgraded.user.id, upgraded.session.id, upgraded.token], [guest.user.id, guest.session.id, guest.token]);
  assert.equal(got(await client.getSession()).user.isAnonymous, false);
});

test("signing out and in again leads to the same user", async () => {
  const { client, email, guest } = await member("returns");
  got(await client.signOut());
  assert.equal(got(await client.getSession()), null);

  const back = got(await client.signIn.email({ email, password }));
  assert.equal(back.user.id, guest.user.id);
  assert.equal(back.user.isAnonymous, false);
  assert.equal(got(await client.getSession()).user.id, guest.user.id);
});

test("a member sees its sessions and ends them", async () => {
  const { client, email, guest } = await member("sessions");
  const devices = [open(), open(), open()];
  for (const device of devices) got(await device.client.signIn.email({ email, password }));
  const present = async (device) => got(await device.client.getSession()) !== null;

  const sessions = got(await client.listSessions());
  assert.equal(sessions.length, 4);
  assert.ok(sessions.some(({ id }) => id === guest.session.id));
  const first = got(await devices[0].client.getSession()).session;
  const listed = sessions.find(({ id }) => id === first.id);
  assert.notEqual(listed.token, first.token, "a list hands out no secrets");

  // As an app does: the token from the list.
  assert.deepEqual(got(await client.revokeSession({ token: listed.token })), { status: true });
  assert.deepEqual(await Promise.all(devices.map(present)), [false, true, true]);
  assert.deepEqual(got(await client.revokeOtherSessions()), { status: true });
  assert.deepEqual(await Promise.all(devices.map(present)), [false, false, false]);
  assert.equal(got(await client.listSessions()).length, 1);
  got(await client.revokeSessions());
  assert.equal(got(await client.getSession()), null);
});

test("a profile is changed, a guest's and a member's", async () => {
  const { client } = open();
  got(await client.signIn.anonymous());
  assert.deepEqual(got(await client.updateUser({ name: "Somebody", metadata: { theme: "dark" } })), { status: true });
  got(await client.anonymous.upgrade({ email: address("profile"), password }));
  const { user } = got(await client.getSession());
  assert.equal(user.name, "Somebody");
  assert.deepEqual(user.metadata, { theme: "dark" });
  got(await client.updateUser({ image: "https://example.com/me.png" }));
  assert.equal(got(await client.getSession()).user.image, "https://example.com/me.png");
});

test("a guest gives up what it has; a member is not deleted that way", async () => {
  const { browser, client } = open();
  got(await client.signIn.anonymous());
  assert.deepEqual(got(await client.deleteAnonymousUser()), { success: true });
  assert.equal(browser.last.call, "POST /api/auth/delete-anonymous-user");
  assert.equal(got(await client.getSession()), null);

  const other = await member("stays");
  const { error } = await other.client.deleteAnonymousUser();
  assert.deepEqual([error.status, error.code], [403, "USER_IS_NOT_ANONYMOUS"]);
  assert.equal(got(await other.client.getSession()).user.id, other.guest.user.id);
});

test("a member changes the password and goes", async () => {
  const { client, email } = await member("leaves");
  const newPassword = "staple battery horse correct";
  got(await client.changePassword({ currentPassword: password, newPassword }));
  assert.equal((await open().client.signIn.email({ email, password })).error.code, "INVALID_EMAIL_OR_PASSWORD");
  got(await open().client.signIn.email({ email, password: newPassword }));
  assert.equal(got(await client.deleteUser({ password: newPassword })).success, true);
  assert.equal(got(await client.getSession()), null);
  assert.equal((await open().client.signIn.email({ email, password: newPassword })).error.status, 401);
});

test("what goes wrong arrives as code, message and status", async () => {
  const { client, email } = await member("taken");
  const said = ({ data, error }) => {
    assert.equal(data, null);
    return [error.status, error.code, error.message];
  };
  assert.deepEqual(said(await client.anonymous.upgrade({ email, password })), [400, "USER_IS_NOT_ANONYMOUS", "User is not anonymous"]);
  const nobody = open().client;
  assert.deepEqual(said(await nobody.anonymous.upgrade({ email, password })), [401, "UNAUTHORIZED", "Unauthorized"]);
  assert.deepEqual(said(await nobody.signIn.email({ email, password: "not the password" })), [401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password"]);
  assert.deepEqual(said(await nobody.listSessions()), [401, "UNAUTHORIZED", "Unauthorized"]);

  const guest = open().client;
  const { user } = got(await guest.signIn.anonymous());
  assert.deepEqual(said(await guest.anonymous.upgrade({ email, password })), [409, "EMAIL_ALREADY_IN_USE", "Email already in use"]);
  assert.deepEqual(said(await guest.anonymous.upgrade({ email: "nonsense", password })), [422, "INVALID_EMAIL", "Invalid email"]);
  assert.deepEqual(said(await guest.anonymous.upgrade({ email: address("short"), password: "short" })), [422, "PASSWORD_TOO_SHORT", "Password too short"]);
  assert.equal(said(await guest.signUp.email({ email, password, name: "" }))[1], "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL");
  // Without an argument the client sends GET.
  assert.equal(said(await guest.anonymous.upgrade())[0], 405);
  const still = got(await guest.getSession());
  assert.deepEqual([still.user.id, still.user.isAnonymous], [user.id, true]);
});

test("signing up with a guest's session is the same upgrade", async () => {
  const { client } = open();
  const guest = got(await client.signIn.anonymous());
  const up = got(await client.signUp.email({ email: address("signs-up"), password, name: "Jane" }));
  assert.equal(up.user.id, guest.user.id);
  const { session, user } = got(await client.getSession());
  assert.deepEqual([session.id, user.id, user.isAnonymous], [guest.session.id, guest.user.id, false]);
});

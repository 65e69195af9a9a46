// Administration through the official client with its admin plugin, in an administrator's own session; and the product
// page's clean-up loop, through a client that drops and nests what it is given.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthClient } from "better-auth/client";
import { adminClient, anonymousClient } from "better-auth/client/plugins";
import { address, baseURL, Browser, byKey, got, password } from "./browser.js";

function open(browser = new Browser()) {
  const plugins = [anonymousClient(), adminClient()];
  const client = createAuthClient({ baseURL, plugins, fetchOptions: { customFetchImpl: browser.fetch } });
  return { browser, client };
}

async function administrator() {
  const page = open();
  const email = address("ada");
  await byKey("/admin/create-user", { email, password, name: "Ada", role: "admin" });
  const { user } = got(await page.client.signIn.email({ email, password }));
  return { ...page, email, user };
}

async function guest() {
  const page = open();
  return { ...page, ...got(await page.client.signIn.anonymous()) };
}

async function member(name) {
  const page = open();
  const email = address(name);
  return { ...page, email, ...got(await page.client.signUp.email({ email, password, name })) };
}

const said = ({ error }) => [error.status, error.code];

/** Lists follow the log, a moment behind. */
async function until(holds) {
  for (let tries = 0; tries < 500; tries++) if (await holds()) return;
  assert.fail("it did not come to that");
}

test("users are listed, filtered, sorted and paged", async () => {
  const { client } = await administrator();
  const [one, two] = [await guest(), await guest()];
  const jane = await member("jane");
  const list = async (query) => got(await client.admin.listUsers({ query }));
  const ids = ({ users }) => users.map(({ id }) => id);
  await until(async () => ids(await list({ limit: 100 })).includes(jane.user.id));

  const all = await list({ limit: 2, offset: 1, sortBy: "createdAt", sortDirection: "desc" });
  assert.deepEqual([all.limit, all.offset, all.users.length], [2, 1, 2]);
  const guests = await list({ filterField: "isAnonymous", filterValue: true, filterOperator: "eq" });
  assert.ok(guests.users.every((user) => user.isAnonymous), "a filter is applied, never dropped");
  assert.ok([one, two].every(({ user }) => ids(guests).includes(user.id)));
  assert.ok(!ids(guests).includes(jane.user.id));
  const long = new Date(Date.now() - 86_400_000).toISOString();
  assert.deepEqual(ids(await list({ filterField: "lastActiveAt", filterValue: long, filterOperator: "lt" })), []);
  assert.ok(guests.users[0].lastActiveAt, "administrators see who was active when");
  assert.deepEqual(said(await client.admin.listUsers({ query: { filterField: "password", filterValue: "x" } })), [400, "UNKNOWN_FILTER"]);
  assert.equal((await jane.client.admin.listUsers({ query: {} })).error.code, "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS");
});

test("users are made, read, changed, promoted and removed", async () => {
  const { client, user: ada } = await administrator();
  const email = address("joe");
  const { user } = got(await client.admin.createUser({ email, password, name: "Joe", role: "user", data: { metadata: { a: 1 } } }));
  assert.deepEqual([user.email, user.metadata], [email, { a: 1 }]);
  assert.deepEqual(said(await client.admin.createUser({ email, password, name: "Joe" })), [400, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"]);
  assert.equal(got(await client.admin.getUser({ query: { id: user.id } })).id, user.id);
  assert.equal(got(await client.admin.updateUser({ userId: user.id, data: { name: "Joseph" } })).name, "Joseph");
  got(await client.admin.setUserPassword({ userId: user.id, newPassword: `${password} 2` }));
  const joe = open();
  got(await joe.client.signIn.email({ email, password: `${password} 2` }));
  assert.equal(got(await client.admin.setRole({ userId: user.id, role: "admin" })).user.role, "admin");
  assert.equal(got(await joe.client.getSession()).user.role, "admin");
  assert.equal(got(await joe.client.admin.hasPermission({ permissions: { user: ["list"] } })).success, true);
  assert.equal(got(await client.admin.setRole({ userId: user.id, role: "user" })).user.role, "user");
  assert.equal((await joe.client.admin.listUsers({ query: {} })).error.status, 403);

  assert.deepEqual(said(await client.admin.removeUser({ userId: ada.id })), [400, "YOU_CANNOT_REMOVE_YOURSELF"]);
  assert.deepEqual(got(await client.admin.removeUser({ userId: user.id })), { success: true });
  assert.equal(got(await joe.client.getSession()), null);
  assert.equal((await client.admin.getUser({ query: { id: user.id } })).error.code, "USER_NOT_FOUND");
});

test("a user is banned and let in again", async () => {
  const { client, user: ada } = await administrator();
  const joe = await member("banned");
  const { user } = got(await client.admin.banUser({ userId: joe.user.id, banReason: "Spam", banExpiresIn: 3600 }));
  assert.deepEqual([user.banned, user.banReason], [true, "Spam"]);
  assert.equal(got(await joe.client.getSession()), null);
  assert.equal((await open().client.signIn.email({ email: joe.email, password })).error.code, "BANNED_USER");
  got(await client.admin.unbanUser({ userId: joe.user.id }));
  got(await open().client.signIn.email({ email: joe.email, password }));
  assert.deepEqual(said(await client.admin.banUser({ userId: ada.id })), [400, "YOU_CANNOT_BAN_YOURSELF"]);
});

test("sessions are seen and ended", async () => {
  const { client } = await administrator();
  const joe = await member("sessions");
  const other = open();
  got(await other.client.signIn.email({ email: joe.email, password }));
  const { sessions } = got(await client.admin.listUserSessions({ userId: joe.user.id }));
  assert.equal(sessions.length, 2);
  const own = sessions.find(({ id }) => id === joe.session.id);
  assert.notEqual(own.token, joe.token, "a list hands out no secrets");
  got(await client.admin.revokeUserSession({ sessionToken: own.token }));
  assert.equal(got(await joe.client.getSession()), null);
  assert.notEqual(got(await other.client.getSession()), null);
  got(await client.admin.revokeUserSessions({ userId: joe.user.id }));
  assert.equal(got(await other.client.getSession()), null);
});

test("an administrator acts as a user, and comes back", async () => {
  const { client, user: ada } = await administrator();
  const joe = await member("acted-as");
  const acted = got(await client.admin.impersonateUser({ userId: joe.user.id }));
  assert.equal(acted.user.id, joe.user.id);
  const { session, user } = got(await client.getSession());
  assert.deepEqual([user.id, session.impersonatedBy], [joe.user.id, ada.id]);
  assert.equal((await client.admin.listUsers({ query: {} })).error.status, 403, "as a user, with a user's rights");
  assert.equal((await client.changePassword({ currentPassword: password, newPassword: `${password} 2` })).error.code, "IMPERSONATION_NOT_ALLOWED");
  got(await client.admin.stopImpersonating());
  assert.equal(got(await client.getSession()).user.id, ada.id);
  assert.equal((await client.admin.stopImpersonating()).error.status, 400);
  const other = await administrator();
  assert.deepEqual(said(await client.admin.impersonateUser({ userId: other.user.id })), [403, "YOU_CANNOT_IMPERSONATE_ADMINS"]);
});

/** A client library that drops the filter of a list, and takes whatever it is given for an id. */
const banata = {
  users: {
    listUsers: async ({ limit }) => byKey("/admin/list-users", { limit }),
    deleteUser: async (userId) => byKey("/admin/remove-user", { userId }),
  },
};

/** As the product page prints it. */
async function cleanUp() {
  // List anonymous users
  const { data } = await banata.users.listUsers({
    filter: { isAnonymous: true },
    limit: 100,
  });

  // Delete stale anonymous users
  for (const user of data) {
    const age = Date.now() - new Date(user.createdAt).getTime();
    const thirtyDays = 30 * 24 * 60 * 60 * 1000;

    if (age > thirtyDays) {
      await banata.users.deleteUser({ userId: user.id });
    }
  }
}

test("the clean-up loop of the product page deletes not one member", async (t) => {
  const { client } = await administrator();
  const members = [await member("one"), await member("two")];
  const guests = [await guest(), await guest()];
  const all = [...members, ...guests].map(({ user }) => user.id);
  const there = async () => {
    const users = await Promise.all(all.map((id) => client.admin.getUser({ query: { id } })));
    return users.filter(({ error }) => !error).map(({ data }) => data.id);
  };
  await until(async () => {
    const { data } = await banata.users.listUsers({ limit: 200 });
    return all.every((id) => data.some((user) => user.id === id));
  });
  const now = Date.now();
  // Everybody came more than thirty days ago.
  t.mock.method(Date, "now", () => now + 60 * 24 * 60 * 60 * 1000);
  await assert.rejects(cleanUp(), /400 VALIDATION_ERROR/);
  assert.deepEqual(await there(), all);
  // Who goes on after each error gets no further.
  const { deleteUser } = banata.users;
  let refused = 0;
  t.mock.method(banata.users, "deleteUser", (id) => deleteUser(id).catch(() => void refused++));
  await cleanUp();
  assert.ok(refused >= all.length);
  assert.deepEqual(await there(), all);
});

// Organizations through the official client with its plugin: a page of a member's, and one of a guest's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthClient } from "better-auth/client";
import { anonymousClient, organizationClient } from "better-auth/client/plugins";
import { address, baseURL, Browser, byKey, got, mail, password } from "./browser.js";

function open(browser = new Browser()) {
  const plugins = [anonymousClient(), organizationClient()];
  const client = createAuthClient({ baseURL, plugins, fetchOptions: { customFetchImpl: browser.fetch } });
  return { browser, client };
}

/** Opens the verification link that was mailed. */
async function prove({ client, email }) {
  const { token } = await mail(email, "verify-email");
  got(await client.verifyEmail({ query: { token } }));
}

/** A member who has proven an address. */
async function member(name) {
  const page = { ...open(), email: address(name) };
  got(await page.client.signUp.email({ name, email: page.email, password }));
  await prove(page);
  return page;
}

const slug = (name) => `${name}-${Math.random().toString(36).slice(2)}`;
const said = ({ error }) => [error.status, error.code];

test("an organization is made, filled, led, left and deleted", async () => {
  const owner = await member("owner");
  const name = slug("acme");
  assert.equal(got(await owner.client.organization.checkSlug({ slug: name })).status, true);
  const made = got(await owner.client.organization.create({ name: "Acme", slug: name, metadata: { plan: "free" } }));
  assert.equal(made.members[0].role, "owner");
  assert.deepEqual(said(await owner.client.organization.checkSlug({ slug: name })), [400, "ORGANIZATION_ALREADY_EXISTS"]);
  assert.equal(got(await owner.client.getSession()).session.activeOrganizationId, made.id);
  assert.deepEqual(got(await owner.client.organization.list()).map(({ id }) => id), [made.id]);

  const jane = await member("jane");
  const invited = got(await owner.client.organization.inviteMember({ email: jane.email, role: "member" }));
  assert.ok(invited.expiresAt instanceof Date, "the client reads our dates");
  assert.ok((await mail(jane.email, "invitation")).url.endsWith(`/accept-invitation/${invited.id}`));
  assert.deepEqual(got(await owner.client.organization.listInvitations()).map(({ id, status }) => [id, status]), [[invited.id, "pending"]]);
  const seen = got(await jane.client.organization.getInvitation({ query: { id: invited.id } }));
  assert.deepEqual([seen.organizationName, seen.inviterEmail], ["Acme", owner.email]);
  assert.deepEqual(got(await jane.client.organization.listUserInvitations()).map(({ id }) => id), [invited.id]);
  const { invitation, member: own } = got(await jane.client.organization.acceptInvitation({ invitationId: invited.id }));
  assert.deepEqual([invitation.status, own.role], ["accepted", "member"]);
  assert.equal(got(await jane.client.getSession()).session.activeOrganizationId, made.id);

  assert.equal(got(await jane.client.organization.setActive({ organizationId: null })), null);
  assert.equal(got(await jane.client.organization.getFullOrganization()), null);
  assert.deepEqual(said(await jane.client.organization.getActiveMember()), [400, "NO_ACTIVE_ORGANIZATION"]);
  assert.equal(got(await jane.client.organization.setActive({ organizationSlug: name })).id, made.id);
  assert.equal(got(await jane.client.organization.getActiveMember()).id, own.id);
  assert.deepEqual(got(await jane.client.organization.getActiveMemberRole()), { role: "member" });
  assert.equal(got(await jane.client.organization.hasPermission({ permissions: { member: ["delete"] } })).success, false);
  assert.equal(jane.client.organization.checkRolePermission({ role: "admin", permissions: { member: ["delete"] } }), true);

  const { members, total } = got(await owner.client.organization.listMembers({ query: { limit: 10 } }));
  assert.deepEqual([total, members.map(({ user }) => user.email)], [2, [owner.email, jane.email]]);
  assert.equal(got(await owner.client.organization.updateMemberRole({ memberId: own.id, role: "admin" })).role, "admin");
  assert.equal(got(await jane.client.organization.update({ data: { name: "Acme 2" } })).name, "Acme 2");
  const full = got(await owner.client.organization.getFullOrganization());
  assert.deepEqual([full.name, full.members.length, full.invitations.length], ["Acme 2", 2, 1]);
  assert.deepEqual(full.metadata, { plan: "free" });

  const only = [400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER"];
  assert.deepEqual(said(await owner.client.organization.leave({ organizationId: made.id })), only);
  got(await jane.client.organization.leave({ organizationId: made.id }));
  const again = got(await owner.client.organization.inviteMember({ email: jane.email, role: "admin" }));
  got(await jane.client.organization.rejectInvitation({ invitationId: again.id }));
  const third = got(await owner.client.organization.inviteMember({ email: jane.email, role: "admin" }));
  assert.equal(got(await owner.client.organization.cancelInvitation({ invitationId: third.id })).status, "canceled");
  assert.deepEqual(said(await jane.client.organization.acceptInvitation({ invitationId: third.id })), [410, "INVITATION_REVOKED"]);
  const fourth = got(await owner.client.organization.inviteMember({ email: jane.email, role: "member" }));
  got(await jane.client.organization.acceptInvitation({ invitationId: fourth.id }));
  const removed = got(await owner.client.organization.removeMember({ memberIdOrEmail: jane.email }));
  assert.equal(removed.member.role, "member");
  assert.deepEqual(got(await jane.client.organization.list()), []);
  got(await owner.client.organization.delete({ organizationId: made.id }));
  assert.equal(got(await owner.client.getSession()).session.activeOrganizationId, null);
});

test("a guest who is a member stays one through the upgrade", async () => {
  const owner = await member("founder");
  const made = got(await owner.client.organization.create({ name: "Acme", slug: slug("team") }));
  const page = { ...open(), email: address("guest") };
  const guest = got(await page.client.signIn.anonymous());
  const add = { organizationId: made.id, userId: guest.user.id, role: "admin" };
  assert.equal((await page.client.organization.addMember(add)).error.status, 404, "nobody adds themselves");
  await byKey("/organization/add-member", add);

  got(await page.client.organization.setActive({ organizationId: made.id }));
  const before = got(await page.client.organization.getActiveMember());
  assert.deepEqual([before.userId, before.role], [guest.user.id, "admin"]);
  assert.deepEqual(said(await page.client.organization.inviteMember({ email: address("x"), role: "member" })), [400, "USER_IS_ANONYMOUS"]);

  got(await page.client.anonymous.upgrade({ email: page.email, password }));
  const { user, session } = got(await page.client.getSession());
  assert.deepEqual([user.id, session.activeOrganizationId], [guest.user.id, made.id]);
  assert.deepEqual(got(await page.client.organization.getActiveMember()), before);
  assert.deepEqual(said(await page.client.organization.inviteMember({ email: address("x"), role: "member" })), [403, "EMAIL_NOT_VERIFIED"]);
  await prove(page);
  got(await page.client.organization.inviteMember({ email: address("x"), role: "member" }));
});

test("a guest follows an invitation when its address is proven", async () => {
  const owner = await member("host");
  got(await owner.client.organization.create({ name: "Acme", slug: slug("club") }));
  const page = { ...open(), email: address("invited") };
  const { id: invitationId } = got(await owner.client.organization.inviteMember({ email: page.email, role: "member" }));
  const guest = got(await page.client.signIn.anonymous());
  const unproven = [403, "EMAIL_VERIFICATION_REQUIRED_BEFORE_ACCEPTING_OR_REJECTING_INVITATION"];
  assert.deepEqual(said(await page.client.organization.acceptInvitation({ invitationId })), unproven);
  got(await page.client.anonymous.upgrade({ email: page.email, password }));
  assert.deepEqual(said(await page.client.organization.acceptInvitation({ invitationId })), unproven);
  await prove(page);
  const { member: own } = got(await page.client.organization.acceptInvitation({ invitationId }));
  assert.equal(own.userId, guest.user.id);
  const stranger = await member("stranger");
  assert.deepEqual(said(await stranger.client.organization.acceptInvitation({ invitationId })), [409, "INVITATION_ALREADY_ACCEPTED"]);
});

// A mail server for the tests: smtp-server from npm. Prints its port, then a line of JSON for each mail it was offered.
// Addresses say what becomes of a mail: refused@ is refused for good, busy-N@ is put off N times, all others are taken.

import { createInterface } from "node:readline";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";

const user = process.env.SMTP_USER;
const offered = new Map();

const failure = (code, text) => Object.assign(new Error(text), { responseCode: code });

const server = new SMTPServer({
  disabledCommands: user ? ["STARTTLS"] : ["STARTTLS", "AUTH"],
  allowInsecureAuth: true,
  authOptional: !user,
  onAuth: ({ username, password }, _session, done) =>
    username === user && password === process.env.SMTP_PASSWORD
      ? done(null, { user })
      : done(failure(535, "who are you")),
  onRcptTo: ({ address }, _session, done) => {
    const count = (offered.get(address) ?? 0) + 1;
    offered.set(address, count);
    const busy = /^busy-(\d+)@/.exec(address);
    if (busy && count <= Number(busy[1])) {
      console.log(JSON.stringify({ to: address, busy: true }));
      return done(failure(451, "come back later"));
    }
    if (address.startsWith("refused@")) {
      console.log(JSON.stringify({ to: address, refused: true }));
      return done(failure(550, "no such mailbox"));
    }
    done();
  },
  onData: async (stream, session, done) => {
    const mail = await simpleParser(stream);
    console.log(
      JSON.stringify({
        to: session.envelope.rcptTo[0].address,
        from: mail.from.text,
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        id: mail.messageId,
        date: mail.date,
        automatic: mail.headers.get("auto-submitted"),
      }),
    );
    done();
  },
});

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.server.address().port })));
// The test that started it closes its end of the pipe, or is gone.
createInterface({ input: process.stdin }).on("close", () => process.exit(0));

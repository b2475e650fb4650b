// A provider of OpenID Connect for tests: `node provider.mjs PORT` on loopback. Who signs in under an address has it,
// verified unless it begins with "unverified". Clients register themselves, so that each test has its own.
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  features: { registration: { enabled: true }, devInteractions: { enabled: true } },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  pkce: { required: () => true },
  cookies: { keys: ["of no worth outside of tests"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: "Ana Kowalska", email: id, email_verified: !id.startsWith("unverified") }),
  }),
});
provider.listen(port, "127.0.0.1");

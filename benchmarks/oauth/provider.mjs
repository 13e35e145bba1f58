// oidc-provider with its in-memory store, set up for what our service is asked in this benchmark:
// the FAPI 2.0 profile, rich authorization requests, DPoP, ES256, a consent page of three lines.
// Arguments: port, and a JSON file with the public keys of the clients and a secret.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';

import Provider from 'oidc-provider';

const [port, file] = process.argv.slice(2);
const { bank, erp, secret } = JSON.parse(readFileSync(file, 'utf8'));
const issuer = `http://localhost:${port}`;
const OWNER = 'owner';

const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const byKey = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
};
const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'bank',
      jwks: { keys: [bank] },
      redirect_uris: ['https://bank.example.no/cb'],
      grant_types: ['authorization_code', 'client_credentials'],
      response_types: ['code'],
      authorization_details_types: ['business_data'],
      ...byKey,
    },
    { client_id: 'erp', jwks: { keys: [erp] }, ...machine, ...byKey },
    { client_id: 'erp-secret', client_secret: secret, ...machine, token_endpoint_auth_method: 'client_secret_basic' },
  ],
  jwks: { keys: [{ ...signing, alg: 'ES256', use: 'sig' }] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], idTokenSigningAlgValues: ['ES256'] },
  cookies: { keys: [secret] },
  scopes: ['openid', 'read'],
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  // Every request is asked about: a grant of before answers none.
  loadExistingGrant: (ctx) =>
    ctx.oidc.result?.consent?.grantId ? ctx.oidc.provider.Grant.find(ctx.oidc.result.consent.grantId) : undefined,
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 86400, Interaction: 600, Session: 86400 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true },
    fapi: { enabled: true, profile: (_ctx, client) => (client?.clientId === 'bank' ? '2.0' : undefined) },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'read',
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
    richAuthorizationRequests: {
      enabled: true,
      types: { business_data: { validate: () => undefined } },
      authorizationDetailsForGrantSource: (ctx) => ctx.oidc.grant.rar,
      authorizationDetailsForAccessToken: (_ctx, grantSource) => grantSource?.rar,
      authorizationDetailsForIntrospection: (_ctx, token) => token.rar,
    },
  },
});

async function interaction(req, res) {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    res.setHeader('content-type', 'text/html');
    res.end(`<form method="post"><p>${prompt.name} ${params.client_id}</p><button>Approve</button></form>`);
    return;
  }
  for await (const _chunk of req); // the form: our page's has a token in it, this one's a cookie
  if (prompt.name === 'login') {
    await provider.interactionFinished(req, res, { login: { accountId: OWNER } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid');
  if (params.resource) grant.addResourceScope(params.resource, 'read');
  for (const detail of prompt.details.rar ?? []) grant.addRar(detail);
  await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } });
}

const answer = provider.callback();
createServer((req, res) => {
  if (!req.url.startsWith('/interaction/')) return answer(req, res);
  return interaction(req, res).catch((error) => {
    console.error(error);
    res.statusCode = 500;
    res.end(String(error));
  });
}).listen(Number(port), 'localhost');

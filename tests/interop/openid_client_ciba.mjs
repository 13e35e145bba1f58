// Asking an owner without a browser (OpenID Connect CIBA), by openid-client: poll, or wait for the ping first.
import { createServer } from 'node:http'
import { importJWK } from 'jose'
import * as client from 'openid-client'
import { expect, hear, refused, say } from './talk.mjs'

const task = await hear()
const key = { key: await importJWK(task.jwk, 'ES256'), kid: task.jwk.kid }
const config = await client.discovery(
  new URL(task.issuer), task.client_id, {}, client.PrivateKeyJwt(key),
  { execute: [client.allowInsecureRequests], algorithm: 'oauth2' },
)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const ask = (token) => client.initiateBackchannelAuthentication(config, {
  login_hint: task.owner,
  binding_message: 'W4SCT',
  authorization_details: JSON.stringify([task.details]),
  ...(task.ping ? { client_notification_token: token } : {}),
})

// The client's notification endpoint: hears one ping, checks its bearer token, and says which request it is.
function pinged(token) {
  return new Promise((heard, failed) => {
    const server = createServer(async (request, response) => {
      try {
        let body = ''
        for await (const chunk of request) body += chunk
        response.writeHead(204, { Connection: 'close' }).end()
        server.close()
        expect(request.headers.authorization === `Bearer ${token}`, 'the notification token of this request')
        heard(JSON.parse(body).auth_req_id)
      } catch (error) {
        failed(error)
      }
    })
    server.listen(new URL(task.ping).port, 'localhost')
  })
}

async function asked() {
  const token = client.randomState() // as good as any text with 256 random bits
  const ping = task.ping && pinged(token)
  const waiting = await ask(token)
  expect(waiting.auth_req_id && waiting.expires_in > 0 && waiting.interval === 5, 'a request that waits')
  say({ waits: true })
  if (ping) expect(await ping === waiting.auth_req_id, 'a ping for this request')
  return client.pollBackchannelAuthenticationGrant(config, waiting, undefined, { DPoP })
}

const tokens = await asked()
expect(tokens.token_type === 'dpop', 'a DPoP-bound token')
expect(tokens.authorization_details[0].grant_id === tokens.grant_id, 'the granted object with its grant_id')
const answer = await client.fetchProtectedResource(
  config, tokens.access_token, new URL(task.read), 'GET', undefined, undefined, { DPoP })
expect(answer.status === 200, `the data, not ${answer.status}`)
await refused(asked(), 'access_denied')
say({ done: true })
process.exit(0)

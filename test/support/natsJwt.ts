/** The output of `nsc`: an operator, an account and a user of NATS, as JWTs, and the user's credentials. */
import { createHash } from 'node:crypto'
import { createAccount, createOperator, createUser, type KeyPair } from 'nkeys.js'

export interface Credentials {
  /** The lines of nats-server's config that trust this operator. */
  readonly config: string
  /** The contents of a `.creds` file. */
  readonly creds: string
}

export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

export function makeCredentials({ publish, subscribe }: Permissions): Credentials {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()]
  const unlimited = { subs: -1, data: -1, payload: -1 }
  const everything = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const operatorJwt = jwt(operator, operator, 'theseus', { type: 'operator', version: 2 })
  const accountJwt = jwt(operator, account, 'shop', { type: 'account', version: 2, limits: everything })
  const permissions = { pub: { allow: publish }, sub: { allow: subscribe } }
  const userJwt = jwt(account, user, 'client', { type: 'user', version: 2, ...unlimited, ...permissions })
  return {
    config: [
      `operator: ${operatorJwt}`,
      'resolver: MEMORY',
      `resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    ].join('\n'),
    creds: [block('NATS USER JWT', userJwt), block('USER NKEY SEED', new TextDecoder().decode(user.getSeed()))].join('\n'),
  }
}

function jwt(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const claims = { iat: 1_700_000_000, iss: issuer.getPublicKey(), name, sub: subject.getPublicKey(), nats }
  const jti = createHash('sha512-256').update(JSON.stringify(claims)).digest('hex')
  const body = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { jti, ...claims },
  ]
    .map((part) => base64(JSON.stringify(part)))
    .join('.')
  return `${body}.${base64(issuer.sign(new TextEncoder().encode(body)))}`
}

function base64(bytes: string | Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function block(what: string, text: string): string {
  return `-----BEGIN ${what}-----\n${text}\n------END ${what}------\n`
}

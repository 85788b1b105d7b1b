/** A certificate authority for one test, and a certificate of the loopback address by it. Made by openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  /** PEM, all three. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export function makeCertificates(): Certificates {
  const dir = mkdtempSync(join(tmpdir(), 'theseus-ca-'))
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  try {
    openssl('req', '-x509', ...newKey, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Theseus test')
    openssl('req', ...newKey, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=localhost')
    writeFileSync(join(dir, 'extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial']
    openssl('x509', '-req', '-in', 'request.pem', ...by, '-days', '2', '-out', 'cert.pem', '-extfile', 'extensions')
    const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((file) => readFileSync(join(dir, file), 'utf8'))
    return { ca: ca!, cert: cert!, key: key! }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

import test from 'ava'
import { parse } from 'yaml'
import { type OutputForm, showList, toYaml } from '../../natsctl/output/forms.js'
import { toJson } from '../../natsctl/output/output.js'
import { natsctl } from './natsctlProcess.js'

/** The texts that one schema of YAML or the other takes for something else. */
const words = ['no', 'on', '1:30', '0o17', '017', '1_000', '~', '.inf', '2026-01-02', '-', '- a', '', 'null', '0x1f', '1e3']
const control = 'a\u001b[2J\u009b0m\u202e\u{e0041}\tb'

test('YAML is of the same document as JSON, and no control character of another machine is left as it is', (t) => {
  const document = {
    node: 'p1',
    reason: control,
    turned: 'a\u202eb',
    words,
    byWord: Object.fromEntries(words.map((word) => [word, word])),
    lines: 'one\ntwo\n',
    since: '2026-01-02T03:04:05.000Z',
    text: '12',
    no: 'no',
    ids: [],
    of: null,
  }
  const yaml = toYaml({ ...document, bytes: Buffer.from('abc') })
  for (const version of ['1.1', '1.2'] as const) t.deepEqual(parse(yaml, { version }), { ...document, bytes: 'YWJj' }, version)
  t.regex(yaml, /^node: p1\n/)
  t.regex(yaml.replaceAll('\n', ''), /^[^\p{Cc}\p{Cf}]*$/u)
})

test('no control character of another machine is left in JSON as it is', (t) => {
  const json = toJson({ [control]: control }, 2)
  t.deepEqual(JSON.parse(json), { [control]: control })
  t.regex(json.replaceAll('\n', ''), /^[^\p{Cc}\p{Cf}]*$/u)
})

function printed(form: OutputForm): string {
  const { write } = process.stdout
  let text = ''
  process.stdout.write = (chunk: unknown) => {
    text += String(chunk)
    return true
  }
  try {
    showList(form, ['p1', 'p2'], {
      columns: [
        { title: 'NODE', cell: (id) => id },
        { title: 'LENGTH', cell: (id) => id.length, isWide: true },
      ],
      document: (id) => ({ node: id }),
      name: (id) => `node/${id}`,
    })
  } finally {
    process.stdout.write = write
  }
  return text
}

test.serial('a list is printed in five forms', (t) => {
  t.is(printed('table'), 'NODE\np1\np2\n')
  t.is(printed('wide'), 'NODE  LENGTH\np1    2\np2    2\n')
  t.is(printed('json'), '[{"node":"p1"},{"node":"p2"}]\n')
  t.is(printed('yaml'), '- node: p1\n- node: p2\n')
  t.is(printed('name'), 'node/p1\nnode/p2\n')
})

test('a form that makes no sense for a command is a usage line that says which do, before anybody is asked', async (t) => {
  const ended = await natsctl(t, ['rollout', 'watch', '-o', 'name', '--system', 's', '--nats', 'nats://127.0.0.1:1'])
  t.deepEqual([ended.code, ended.stdout], [2, ''])
  t.is(ended.stderr, 'error: "rollout watch" has no -o name: use table or json\n')
})

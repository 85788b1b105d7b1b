import fc from 'fast-check'

/**
 * Text of any code points but halves of surrogate pairs. fast-check's own (`unit: 'binary'`) makes a table of
 * all million of them first, which takes a second.
 */
export function anyText(lengthMax: number): fc.Arbitrary<string> {
  const isNoHalf = (point: number) => point < 0xd800 || point > 0xdfff
  const point = fc.oneof(fc.nat(0x7f), fc.nat(0xffff).filter(isNoHalf), fc.nat(0x10ffff).filter(isNoHalf))
  return fc.array(point, { maxLength: lengthMax }).map((points) => String.fromCodePoint(...points))
}

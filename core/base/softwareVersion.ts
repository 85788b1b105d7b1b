/**
 * The version of this package. Not read from `package.json`: a host that is bundled has none beside it. A
 * test compares the two.
 */
export const softwareVersion = '0.1.0'

/** Where 0.1.0 had it: tools that read a build by its paths find it here. The code is in its room. */
export { decodeUpgradeFile, encodeUpgradeFile, upgradeFileBytesMax, upgradeFileFormat } from './build/upgradeFile.js'

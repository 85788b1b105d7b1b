/** Where 0.1.0 had it: tools that read a build by its paths find it here. The code is in its room. */
export {
  decode,
  encodeAnnouncement,
  encodeCall,
  encodeFault,
  encodeRefusal,
  encodeReply,
  pack,
  packToSend,
  unpack,
  unpackState,
  valuesPerEnvelope,
} from './wire/codec.js'

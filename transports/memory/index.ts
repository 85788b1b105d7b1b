export { type MemoryDatabaseFactory, memoryDatabase } from './memoryDatabase.js'
export { type MemoryRepository, memoryRepository } from './memoryRepository.js'
export { type MemoryState, memoryStore } from './memoryStore.js'
export { MemoryBroker, type MemoryTransport, memoryTransport } from './memoryTransport.js'

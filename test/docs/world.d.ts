// What the examples of lib/index.d.ts stand in.

interface User {
  id: number;
  name: string;
}
interface Transaction {
  query(sql: string, options: { signal: AbortSignal }): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}
declare const id: number;
declare const ids: number[];
declare const urls: string[];
declare const url: string;
declare const user: User;
declare const users: User[];
declare const body: string;
declare const order: object;
declare const signal: AbortSignal;
declare const db: { find(id: number): Promise<User | null>; begin(): Promise<Transaction> };
declare const output: { write(text: string): Promise<void> };
declare const semaphore: import('sluice').Semaphore;

declare function load(url: string): Promise<string>;
declare function login(user: User): Promise<string>;
declare function send(what: unknown, options: { signal: AbortSignal }): Promise<Response>;
declare function notify(user: User): Promise<void>;
declare function fetchPrice(id: number, options: { signal: AbortSignal }): Promise<number>;
declare function loadRates(): Promise<number[]>;
declare function cachedRates(): number[];
declare function getUser(id: number, options?: { signal: AbortSignal }): Promise<User>;
declare function getOrders(id: number, options?: { signal: AbortSignal }): Promise<object[]>;
declare function rows(): AsyncIterable<object>;
declare function save(row: unknown): Promise<void>;
declare function readFile(path: string): Promise<Uint8Array>;
declare function writeFile(path: string, text: string): Promise<void>;

declare class HttpError extends Error {
  readonly status: number;
  readonly retryAfter: number | Date | undefined;
}

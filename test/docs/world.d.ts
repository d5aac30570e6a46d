// What the examples of lib/index.d.ts stand in.

interface User {
  id: number;
  name: string;
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
declare const db: { find(id: number): Promise<User | null> };

declare function load(url: string): Promise<string>;
declare function login(user: User): Promise<string>;
declare function send(what: unknown, options: { signal: AbortSignal }): Promise<Response>;
declare function notify(user: User): Promise<void>;
declare function fetchPrice(id: number, options: { signal: AbortSignal }): Promise<number>;
declare function loadRates(): Promise<number[]>;
declare function cachedRates(): number[];
declare function getUser(id: number): Promise<User>;
declare function getOrders(id: number): Promise<object[]>;

declare class HttpError extends Error {
  readonly status: number;
  readonly retryAfter: number | Date | undefined;
}

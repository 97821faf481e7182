import type { Bench } from "./bench.ts";
import { comparing } from "./comparing.ts";
import { consoleBench } from "./console/console.ts";
import { exchange } from "./exchange/exchange.ts";
import { hashing } from "./hashing.ts";
import { machines } from "./machines/machines.ts";
import { pages } from "./pages/pages.ts";
import { sessions } from "./sessions/sessions.ts";
import { residual } from "./residual/residual.ts";
import { zstd } from "./zstd/zstd.ts";

/** Everything that can be measured, in the order of the table. */
export const BENCHES: readonly Bench[] = [hashing, comparing, zstd, consoleBench, exchange, residual, ...machines, pages, ...sessions];

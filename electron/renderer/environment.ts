import { z } from "zod";

// The Content-Security-Policy allows no code that is made at run time, which zod would otherwise try. Imported first.
z.config({ jitless: true });

import generic from '../mappings/generic.json' with { type: 'json' };
import olist from '../mappings/olist.json' with { type: 'json' };
import { ImportError } from './import-error.js';
import { compileMapping, type Mapping } from './mapping.js';

/** The mappings that come with the product, by name. */
const SHIPPED: Readonly<Record<string, unknown>> = { generic, olist };
export const shippedMappings = (): string[] => Object.keys(SHIPPED);

/**
 * A shipped mapping by name, or a document of one's own.
 * @throws ImportError MAPPING_UNKNOWN, MAPPING_INVALID
 */
export function mappingOf(nameOrDocument: unknown): Mapping {
  if (typeof nameOrDocument !== 'string') return compileMapping(nameOrDocument);
  if (!Object.hasOwn(SHIPPED, nameOrDocument)) {
    const known = shippedMappings().join(', ');
    throw new ImportError(
      'MAPPING_UNKNOWN',
      `no mapping ${JSON.stringify(nameOrDocument)}; there are ${known}`,
      'mapping',
    );
  }
  return compileMapping(SHIPPED[nameOrDocument]);
}

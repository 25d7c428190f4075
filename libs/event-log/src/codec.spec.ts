import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { EventCodec, EventCodecError } from './codec.js';

const codec = new EventCodec({
  schemas: { Renamed: z.object({ fullName: z.string(), age: z.int().optional() }), Plain: z.object({ a: z.int() }) },
  versions: { Renamed: 3 },
  upcasters: [
    { type: 'Renamed', from: 1, up: ({ name, ...rest }) => ({ ...rest, title: name }) },
    { type: 'Renamed', from: 2, up: ({ title, ...rest }) => ({ ...rest, fullName: title }) },
  ],
});
const stored = (type: string, schemaVersion?: unknown) => ({
  type,
  metadata: schemaVersion === undefined ? {} : { schemaVersion },
  stream: 'x-1',
  revision: 7,
});
const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as EventCodecError).code;
  }
};

describe('the event codec', () => {
  it('lifts an old version step by step to the newest', () => {
    expect(codec.decode(stored('Renamed', 1), { name: 'Ada' })).toEqual({ fullName: 'Ada' });
    expect(codec.decode(stored('Renamed', 2), { title: 'Ada' })).toEqual({ fullName: 'Ada' });
    expect(codec.decode(stored('Renamed', 3), { fullName: 'Ada' })).toEqual({ fullName: 'Ada' });
  });

  it('takes an event without a version for version 1', () => {
    expect(codec.decode(stored('Plain'), { a: 1 })).toEqual({ a: 1 });
  });

  it('ignores unknown fields of a known type', () => {
    expect(codec.decode(stored('Plain', 1), { a: 1, later: true })).toEqual({ a: 1 });
  });

  it('passes an unknown type through untouched', () => {
    const data = { whatever: { deep: [1] } };
    expect(codec.decode(stored('FromNextYear', 9), data)).toBe(data);
  });

  it('refuses a version newer than it knows', () => {
    expect(codeOf(() => codec.decode(stored('Plain', 2), { a: 1 }))).toBe('EVENT_FROM_THE_FUTURE');
  });

  it('lifts without a look at the schema whoever asks for that, and still refuses what it cannot know', () => {
    expect(codec.lift(stored('Renamed', 1), { name: 'Ada', later: true })).toEqual({ fullName: 'Ada', later: true });
    expect(codec.lift(stored('Plain', 1), { a: 'no number' })).toEqual({ a: 'no number' });
    expect(codeOf(() => codec.lift(stored('Plain', 2), { a: 1 }))).toBe('EVENT_FROM_THE_FUTURE');
  });

  it('names stream, revision and field of an unreadable event and never its value', () => {
    const read = () => codec.decode(stored('Plain', 1), { a: 'secret-value' });
    expect(codeOf(read)).toBe('EVENT_INVALID');
    expect(read).toThrow(/Plain@1 at x-1\/7: a /);
    expect(read).not.toThrow(/secret-value/);
  });

  it('writes nothing that its own schema refuses', () => {
    expect(codeOf(() => codec.encode('Plain', { a: 0.5 }))).toBe('EVENT_INVALID');
    expect(codeOf(() => codec.encode('Unheard', {}))).toBe('EVENT_INVALID');
  });

  it('says which step is missing', () => {
    const broken = new EventCodec({ schemas: { T: z.object({}) }, versions: { T: 2 } });
    expect(codeOf(() => broken.decode(stored('T', 1), {}))).toBe('UPCASTER_MISSING');
  });
});

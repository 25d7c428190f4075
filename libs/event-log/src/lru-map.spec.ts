import { describe, expect, it } from '@jest/globals';
import { LruMap } from './lru-map.js';

describe('a bounded map', () => {
  it('forgets what was used longest ago, and counts reading as use', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    expect(map.get('a')).toBe(1);
    map.set('c', 3);
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2]);
  });

  it('tells what is there without using it, and forgets all when asked', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    expect([map.has('a'), map.has('c')]).toEqual([true, false]);
    map.set('c', 3);
    expect([map.has('a'), map.has('b')]).toEqual([false, true]);
    map.clear();
    expect([map.size, map.has('b')]).toEqual([0, false]);
  });

  it('keeps one value a key', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('a', 2);
    map.delete('b');
    expect([map.get('a'), map.size]).toEqual([2, 1]);
  });
});

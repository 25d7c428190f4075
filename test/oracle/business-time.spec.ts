import { describe, expect, it } from '@jest/globals';
import { askGroup, seededRandom } from './business-time-questions.js';

/** Some questions; `npm run oracle:business-time -- 1000000` asks the million. */
describe('Business time in closed form', () => {
  it('answers as a calendar that walks every minute does', () => {
    const random = seededRandom(3);
    let asked = 0;
    for (let group = 0; group < 12; group++) {
      const result = askGroup(random, 300);
      expect(result.differences).toEqual([]);
      asked += result.asked;
    }
    expect(asked).toBeGreaterThan(2_500);
  });
});

/** What is asked for anew makes every earlier answer one that comes too late. */
export class Latest {
  private turn = 0;

  /** Tells, from then on, whether the answer is still wanted. */
  ask(): () => boolean {
    const mine = ++this.turn;
    return () => mine === this.turn;
  }
}

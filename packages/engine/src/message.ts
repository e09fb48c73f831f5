/** One message of a chat. */
export interface Message {
  readonly role: string;
  readonly content: string;
}

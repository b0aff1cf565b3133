#!/usr/bin/python3
"""What is sent to notifications_<id> arrives on every device of that user, and nowhere else."""

import asyncio
import unittest

from harness import INVITE, NOTIFICATIONS, OP_TEXT, LiveCase, eventually, frame

UKRAINIAN = "Загальна кімната"


class NotificationTest(LiveCase):
    options = ("--workers", "4")

    async def devices(self, user, count):
        return await asyncio.gather(*(self.connect(NOTIFICATIONS, user) for _ in range(count)))

    def expected(self, invitation, channel, inviter):
        return {"type": "invitation", "id": invitation["id"], "voice_channel": channel["id"],
                "voice_channel_name": channel["name"], "addressee": invitation["addressee"],
                "inviter": inviter.id, "inviter_username": inviter.name, "status": "pending",
                "created_at": invitation["created_at"]}

    async def check_nothing_came(self, devices, user, inviter, channel):
        """The next thing that the devices get is an invitation made now."""
        fence = await self.invite(inviter, channel, user)
        for device in devices:
            self.assertEqual((await self.next_json(device))["id"], fence["id"])

    async def test_an_invited_user_gets_the_notification_with_all_its_members(self):
        device, = await self.devices(self.bob, 1)
        channel = await self.create_channel(self.alice, UKRAINIAN)
        invitation = await self.invite(self.alice, channel, self.bob)
        message = await self.next_json(device)
        expected = self.expected(invitation, channel, self.alice)
        self.assertEqual({name: message.get(name) for name in expected}, expected)
        for name in ("id", "voice_channel", "addressee", "inviter"):
            self.assertIs(type(message[name]), int)

    async def test_an_invited_user_gets_the_notification_on_every_device(self):
        devices = await self.devices(self.bob, 8)
        channel = await self.create_channel(self.alice)
        for _ in range(3):
            invitation = await self.invite(self.alice, channel, self.bob)
            messages = [await self.next_json(device) for device in devices]
            self.assertEqual([message["id"] for message in messages], [invitation["id"]] * 8)
            self.assertEqual(messages, messages[:1] * 8)

    async def test_nobody_else_gets_the_notification(self):
        own = await self.devices(self.alice, 2)
        others = await self.devices(self.carol, 2)
        device, = await self.devices(self.bob, 1)
        channel = await self.create_channel(self.alice)
        await self.invite(self.alice, channel, self.bob)
        await self.next_json(device)
        await self.check_nothing_came(own, self.alice, self.carol, channel)
        await self.check_nothing_came(others, self.carol, self.alice, channel)

    async def test_the_inviter_named_is_the_one_who_invited_not_the_creator(self):
        device, = await self.devices(self.carol, 1)
        channel = await self.create_channel(self.alice)
        invitation = await self.invite(self.bob, channel, self.carol)
        message = await self.next_json(device)
        self.assertEqual((message["inviter"], message["inviter_username"]),
                         (self.bob.id, self.bob.name))
        self.assertEqual(message["id"], invitation["id"])

    async def test_an_invitation_by_recipient_notifies_too(self):
        device, = await self.devices(self.bob, 1)
        channel = await self.create_channel(self.alice)
        answer = await self.rest("POST", INVITE, self.alice, json={
            "voice_channel": str(channel["id"]), "recipient": str(self.bob.id)})
        self.assertEqual((await self.next_json(device))["id"], answer.json["id"])

    async def test_a_refused_invitation_notifies_nobody(self):
        devices = await self.devices(self.bob, 2)
        channel = await self.create_channel(self.alice)
        for fields in ({"voice_channel": 987654321, "addressee": self.bob.id},
                       {"addressee": self.bob.id}, {"voice_channel": None, "recipient": self.bob.id},
                       {"voice_channel": channel["id"], "addressee": self.bob.id,
                        "recipient": self.carol.id}):
            answer = await self.rest("POST", INVITE, self.alice, json=fields)
            self.assertEqual(answer.status, 400)
        answer = await self.rest("POST", INVITE, json={
            "voice_channel": channel["id"], "addressee": self.bob.id})
        self.assertEqual(answer.status, 401)
        await self.check_nothing_came(devices, self.bob, self.alice, channel)

    async def test_creating_a_channel_notifies_nobody(self):
        devices = await self.devices(self.alice, 1)
        channel = await self.create_channel(self.alice)
        await self.check_nothing_came(devices, self.alice, self.bob, channel)

    async def test_names_of_any_script_come_as_they_are(self):
        inviter = self.server.add_user("Олена😀")
        self.assertEqual(inviter.name, "Олена😀")
        device, = await self.devices(self.bob, 1)
        channel = await self.create_channel(inviter, 'q"\\/ ' + UKRAINIAN + "\u2028")
        await self.invite(inviter, channel, self.bob)
        message = await self.next_json(device)
        self.assertEqual(message["voice_channel_name"], channel["name"])
        self.assertEqual(message["inviter_username"], "Олена😀")

    async def test_a_burst_of_invitations_arrives_completely_and_once_on_every_device(self):
        devices = await self.devices(self.bob, 6)
        channel = await self.create_channel(self.alice)
        made = await asyncio.gather(
            *(self.invite((self.alice, self.carol)[i % 2], channel, self.bob) for i in range(120)))
        expected = sorted(invitation["id"] for invitation in made)
        self.assertEqual(len(set(expected)), 120)
        for device in devices:
            ids = [(await self.next_json(device))["id"] for _ in range(120)]
            self.assertEqual(sorted(ids), expected)
        await self.check_nothing_came(devices, self.bob, self.alice, channel)

    async def test_one_inviters_invitations_come_in_the_order_he_made_them(self):
        devices = await self.devices(self.bob, 4)
        channel = await self.create_channel(self.alice)
        made = [(await self.invite(self.alice, channel, self.bob))["id"] for _ in range(30)]
        for device in devices:
            self.assertEqual([(await self.next_json(device))["id"] for _ in range(30)], made)

    async def test_a_device_hears_as_soon_as_its_handshake_is_answered(self):
        channel = await self.create_channel(self.alice)
        for _ in range(40):
            device = await self.connect(NOTIFICATIONS, self.bob)
            invitation = await self.invite(self.alice, channel, self.bob)
            self.assertEqual((await self.next_json(device))["id"], invitation["id"])
            await device.close()

    async def test_the_notification_comes_on_every_device_whichever_connection_invited(self):
        devices = await self.devices(self.bob, 4)
        channel = await self.create_channel(self.alice)
        body = b'{"voice_channel":%d,"addressee":%d}' % (channel["id"], self.bob.id)
        for _ in range(16):
            connection = await self.raw()
            await connection.send(
                b"POST " + INVITE.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
                + self.alice.key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            invitation = (await connection.response()).json
            for device in devices:
                self.assertEqual((await self.next_json(device))["id"], invitation["id"])

    async def test_devices_that_left_do_not_keep_the_others_from_hearing(self):
        baseline = self.server.file_descriptors()
        stays, goes, vanishes = await self.devices(self.bob, 3)
        channel = await self.create_channel(self.alice)
        await goes.close()
        vanishes.transport.abort()
        for _ in range(5):
            invitation = await self.invite(self.alice, channel, self.bob)
            self.assertEqual((await self.next_json(stays))["id"], invitation["id"])
        await stays.close()
        await eventually(lambda: self.server.file_descriptors() <= baseline + 8,
                         "no descriptor of a device stays")
        await self.invite(self.alice, channel, self.bob)  # nobody listens; no error

    async def test_what_a_device_says_reaches_nobody_and_does_not_stop_it_hearing(self):
        speaker = await self.raw_websocket(NOTIFICATIONS, self.bob)
        other, = await self.devices(self.bob, 1)
        channel = await self.create_channel(self.alice)
        await speaker.send(frame(OP_TEXT, b'{"type":"invitation","id":1}') + frame(2, b"\0\xff"))
        for _ in range(2):
            invitation = await self.invite(self.alice, channel, self.bob)
            for device in (speaker, other):
                self.assertEqual((await self.next_json(device))["id"], invitation["id"])


if __name__ == "__main__":
    unittest.main()

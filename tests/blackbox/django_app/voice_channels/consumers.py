import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from rest_framework.authtoken.models import Token


class TokenAuth:
    """The user of the Authorization field, if there is one, as `scope["user"]`."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        value = dict(scope["headers"]).get(b"authorization", b"").decode()
        scope = {**scope, "user": await self.find_user(value.partition(" ")[2])}
        return await self.application(scope, receive, send)

    @database_sync_to_async
    def find_user(self, key):
        token = Token.objects.select_related("user").filter(key=key).first()
        return token and token.user


class VoiceConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.group = "voice_" + self.scope["url_route"]["kwargs"]["room_name"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send(self.group, {
            "type": "relay", "sender": self.channel_name, "text": text_data, "bytes": bytes_data})

    async def relay(self, event):
        if event["sender"] != self.channel_name:
            await self.send(text_data=event["text"], bytes_data=event["bytes"])


class SignalingConsumer(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        if content.get("type") == "join":
            await self.send_json({"type": "joined", "id": self.channel_name})
        elif "to" in content:
            message = {**content, "from": self.channel_name}
            await self.channel_layer.send(content["to"], {"type": "forward", "message": message})

    async def forward(self, event):
        await self.send_json(event["message"])

    @classmethod
    async def encode_json(cls, content):
        return json.dumps(content, ensure_ascii=False)


class NotificationConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        if self.scope["user"] is None:
            return await self.close()
        self.group = f"notifications_{self.scope['user'].id}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        if self.scope["user"] is not None:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def notify(self, event):
        await self.send_json(event["message"])
